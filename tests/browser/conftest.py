"""One browser for all tests of pages; a page that complains, or asks for anything off the page, fails its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chromium import Opened, axe_source, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def opened(browser: Any) -> Iterator[Opened]:  # noqa: ANN401 - Playwright's
    """Opens an address; at the end no page may have logged an error or asked for anything of another origin."""
    complaints: list[str] = []
    asked: list[str] = []
    contexts = []

    def go(url: str, *, width: int = 1200, height: int = 900, dark: bool = False) -> Any:  # noqa: ANN401
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        return page

    yield go
    for context in contexts:
        context.close()
    assert not complaints
    outside = [url for url in asked if not url.startswith(("file:///", "http://127.0.0.1:", "blob:", "data:"))]
    assert not outside, outside


@pytest.fixture
def accessible() -> Callable[[Any], None]:
    """Runs axe-core over a page; any violation of WCAG 2 A or AA, or of its best practices, fails."""
    source = axe_source()

    def look(page: Any) -> None:  # noqa: ANN401
        page.evaluate(source)
        found = page.evaluate("axe.run({resultTypes: ['violations']}).then(result => result.violations)")
        told = [
            f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:200]} ({len(each['nodes'])})"
            for each in found
        ]
        assert not told, "\n".join(told)

    return look
