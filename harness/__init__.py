"""Runs agents on a task, judges their patches, and keeps the evidence."""
