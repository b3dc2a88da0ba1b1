"""Render the templates in `prompts/`. A variable nobody gave is an error, not a hole in the prompt."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("prompts", ""),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown for a model, never HTML for a browser
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(name: str, **values: Any) -> str:  # noqa: ANN401 - a template takes what it names
    """A template of `prompts/` with its variables filled in.

    Args:
        name: the template's file name, such as `task.md.j2`.
        **values: its variables.

    Raises:
        jinja2.UndefinedError: the template names a variable that was not given.
        jinja2.TemplateNotFound: there is no such template.
    """
    return _environment().get_template(name).render(values)
