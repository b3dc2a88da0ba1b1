"""Runs for other tools: predictions, sessions, tables of samples, experiment trackers (`harness export-data`)."""
