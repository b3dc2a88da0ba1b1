"""Templates to pages. Everything that comes in is text; only this house's own templates and pictures are markup."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from harness.report.facts import MARKS, STATUS_WORDS
from harness.report.hidden import revealed
from harness.show import cost_text
from harness.text import (
    amount,
    counted,
    duration_text,
    interval_text,
    local_time,
    markdown_cell,
    printable,
    speedup_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict


def asset(name: str) -> str:
    """The text of a file beside the templates: `page.css`, `page.js`."""
    return (files("harness.report") / "templates" / name).read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    """The hash by which a content security policy lets this one inline script or style through."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def offline_policy(style: str, script: str) -> str:
    """A content security policy under which a page may use its own style and script, and fetch nothing at all."""
    return (
        f"default-src 'none'; style-src {source_hash(style)}; script-src {source_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def render(name: str, **values: Any) -> str:  # noqa: ANN401 - a template takes what it names
    """A template with its variables filled in, as HTML or, for names that end in `.md.j2`, Markdown."""
    return environment().get_template(name).render(values)


@cache
def environment() -> Environment:
    """The templates of reports and of the local pages."""
    made = Environment(
        loader=PackageLoader("harness.report", "templates"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "amount": amount,
        "anchor": anchor,
        "cell": lambda value: markdown_cell(str(value)),
        "cost": cost_text,
        "counted": counted,
        # For what this house made itself: pictures that `svg` cleaned, parts rendered before, its style and script.
        "drawing": Markup,
        "duration": duration_text,
        "interval": interval_text,
        "prose": prose,
        "shown": lambda value: revealed(str(value)),
        "line": lambda value: printable(str(value)),
        "speedup": speedup_text,
        "time": local_time,
        "microseconds": microseconds,
    }
    made.globals |= {"status_words": STATUS_WORDS, "marks": MARKS}
    return made


def microseconds(value: float) -> str:
    """A time with three figures and its unit."""
    for unit, size in (("s", 1e6), ("ms", 1e3), ("µs", 1.0)):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value / size < 1000 else f"{value / size:,.0f} {unit}"
    return f"{value * 1e3:.3g} ns"


def anchor(text: str) -> str:
    """A name as part of an id: letters, digits and dashes."""
    return "".join(character if character.isascii() and character.isalnum() else "-" for character in text)


def prose(text: str) -> Markup:
    """What an agent wrote, with its Markdown set: emphasis, lists, code, tables. No HTML, links or pictures live."""
    return Markup(_markdown().render(revealed(text)))  # noqa: S704 - escapes HTML, and makes no links


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - slow to import

    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.disable(["html_block", "html_inline", "link", "image", "autolink", "reference"])

    def heading(_self: RendererHTML, tokens: Sequence[Token], place: int, _options: OptionsDict, _env: EnvType) -> str:
        # The page's outline is the page's own.
        return '<p class="heading">' if tokens[place].nesting == 1 else "</p>\n"

    made.add_render_rule("heading_open", heading)
    made.add_render_rule("heading_close", heading)
    return made
