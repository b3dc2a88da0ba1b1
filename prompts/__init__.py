"""Jinja2 templates that an agent is shown."""
