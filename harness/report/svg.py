"""Vega-Lite specifications to SVG, drawn here and now: a page gets a picture and no program.

Drawn by vl-convert, the Vega project's own renderer in a wheel. The SVG carries the marks' descriptions as ARIA
labels, and its colours are CSS variables, so that one picture serves light, dark and paper. Names in it come from
tasks and agents: what comes out is taken apart and put together again from elements and attributes that can do
nothing but draw.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element

from harness.strict_json import strict_json

# A page of one series of Vega-Lite always looks the same.
VEGA_LITE = "5.21"
_ELEMENTS = {"svg", "g", "path", "line", "rect", "text", "tspan", "circle", "title", "desc"}
_ATTRIBUTES = {
    "viewBox", "width", "height", "transform", "d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "ry",
    "dx", "dy", "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "opacity",
    "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "text-anchor", "font-family", "font-size",
    "font-weight", "font-style", "class", "display", "role", "aria-label", "aria-hidden",
    "aria-roledescription", "pointer-events",
}  # fmt: skip
_COLOUR = re.compile(r"none|transparent|inherit|currentColor|#[0-9a-fA-F]{3,8}|var\(--[a-z-]+\)|[a-z]{1,20}")
_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")
_BARS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # what no XML may hold
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

_CONFIG: dict[str, Any] = {
    "background": None,
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": 400,
        "titlePadding": 8,
        "labelPadding": 6,
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
    "header": {"labelColor": "var(--ink)", "labelFontSize": 12},
    "legend": {"labelColor": "var(--ink)", "titleColor": "var(--soft)", "labelFontSize": 12},
}


def draw(spec: Mapping[str, Any]) -> str:
    """A Vega-Lite specification as safe, inline SVG.

    It has the size it was drawn for; the page scales it down where there is less room, never up.

    Args:
        spec: without `$schema` and `config`, which are the same for all.
    """
    return _drawn(strict_json({"config": _CONFIG, "padding": 4, **spec}))


@lru_cache(maxsize=512)
def _drawn(spec: str) -> str:
    import vl_convert  # noqa: PLC0415 - its engine takes half a second to start

    text = _BARS.sub("", vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[]))
    return cleaned(text)


def cleaned(svg: str) -> str:
    """An SVG with nothing left in it but drawing; scripts, links, styles and foreign things are dropped.

    Raises:
        ValueError: it is not XML.
    """
    from xml.etree.ElementTree import ParseError, tostring  # noqa: PLC0415

    from defusedxml import DefusedXmlException  # noqa: PLC0415
    from defusedxml.ElementTree import fromstring  # noqa: PLC0415

    try:
        root = fromstring(svg)
    except (ParseError, DefusedXmlException) as error:
        raise ValueError(f"not an SVG: {error}") from error
    copy = _copied(root)
    if copy is None or copy.tag != "svg":
        raise ValueError("not an SVG: its root is another element")
    # Its parent says what the picture is; what is inside may still be read mark by mark.
    copy.set("focusable", "false")
    return tostring(copy, encoding="unicode")


def _copied(element: Element) -> Element | None:
    tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    if tag not in _ELEMENTS:
        return None
    copy = Element(tag)
    for key, value in element.attrib.items():
        if key in _ATTRIBUTES and (kept := _kept(key, value)) is not None:
            copy.set(key, kept)
    # Backgrounds and frames that draw nothing are a third of a Vega picture.
    if tag == "path" and copy.get("d", "").strip() in ("", "M0,0h0v0h0Z") and not len(element):
        return None
    if "aria-label" not in copy.attrib:  # a role without a name is a riddle to who listens
        copy.attrib.pop("role", None)
        copy.attrib.pop("aria-roledescription", None)
    copy.text, copy.tail = element.text, element.tail
    copy.extend([child for each in element if (child := _copied(each)) is not None])
    return copy


def _kept(key: str, value: str) -> str | None:
    if key in ("fill", "stroke"):
        return value if _COLOUR.fullmatch(value) else None
    if key in ("d", "transform") or key[:1] in "xyr":
        return _NUMBER.sub(lambda found: f"{float(found.group()):.2f}".rstrip("0").rstrip("."), value)
    return value
