"""The pages. Every one is a template of `harness.report` filled from `Library`; none changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from harness.errors import HarnessError, UsageError
from harness.leaderboard_forms import CURVES_NOTE
from harness.ranking import Found, Ranking, Rows, add_references, rank
from harness.reference_forms import references_view
from harness.report.attempts_chart import attempts_chart
from harness.report.board_page import board_views
from harness.report.build import html_report
from harness.report.cards import make_card
from harness.report.facts import counts, environment, facts, total_cost
from harness.report.material import is_plain
from harness.report.page import asset, render
from harness.report.search_tree import search_tree
from harness.store import RunFolder
from harness.view.comparing import compare_address, comparison, refused
from harness.view.guard import Guard
from harness.view.live import stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from harness.references import References
    from harness.report.material import RunMaterial
    from harness.view.library import Library

_ASSETS = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "live.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_MOST_FILE_BYTES = 16_000_000
_BY: dict[str, Rows] = {"agent-model": "agent and model", "agent": "agent", "model": "model", "attempt": "attempt"}


class Missing(Exception):
    """There is no such page. Its message is for people."""


def make_app(library: Library, hosts: Iterable[str], token: str | None = None) -> ASGIApp:
    """The application, with its guard before it."""
    pages = _Pages(library)
    routes = [
        Route("/", pages.runs),
        Route("/leaderboard", pages.leaderboard),
        Route("/compare", pages.compare),
        Route("/runs/{run}", pages.run),
        Route("/runs/{run}/part", pages.part),
        Route("/runs/{run}/events", pages.events),
        Route("/runs/{run}/report.html", pages.report),
        Route("/runs/{run}/attempts/{attempt}", pages.attempt),
        Route("/runs/{run}/attempts/{attempt}/{file}", pages.file),
        Route("/static/{name}", pages.static),
        Route("/favicon.ico", pages.icon),
    ]
    handlers: dict[Any, Any] = {Missing: _missing, 404: _missing, HarnessError: _unreadable}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), hosts, token)


class _Pages:
    def __init__(self, library: Library) -> None:
        self._library = library

    async def runs(self, _request: Request) -> Response:
        lines = await run_in_threadpool(self._library.lines)
        return await _page("local_runs.html.j2", here="runs", lines=lines, folder=str(self._library.folder))

    async def run(self, request: Request) -> Response:
        folder = await self._folder(request)
        return await run_in_threadpool(lambda: HTMLResponse(render("local_run.html.j2", **self._of_run(folder))))

    async def part(self, request: Request) -> Response:
        """What of a run's page changes while it goes on; the page puts it in place of what it has."""
        folder = await self._folder(request)
        return await run_in_threadpool(lambda: HTMLResponse(render("local_part.html.j2", **self._of_run(folder))))

    async def events(self, request: Request) -> Response:
        folder = await self._folder(request)
        seen = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
        after = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0
        return StreamingResponse(stream(folder, after), media_type="text/event-stream")

    async def report(self, request: Request) -> Response:
        """The offline report, to keep or to send."""
        folder = await self._folder(request)
        text = await run_in_threadpool(lambda: html_report(self._library.run(folder)))
        return Response(
            text,
            media_type="application/octet-stream",
            headers={"content-disposition": 'attachment; filename="report.html"'},
        )

    async def attempt(self, request: Request) -> Response:
        folder = await self._folder(request)
        name = request.path_params["attempt"]

        def made() -> Response:
            attempt = self._library.attempt(folder, name)
            if attempt is None:
                raise Missing(f"The run {folder.name} has no attempt {name}.")
            run = self._library.run(folder)
            names = [each.name for each in run.attempts]
            place = names.index(name)
            files = [path.name for path in attempt.folder.files.values() if is_plain(path)]
            values = {
                "here": "runs",
                "run": run,
                "card": make_card(attempt, first=True),
                "environment": environment(run, attempt),
                "before": names[place - 1] if place else None,
                "after": names[place + 1] if place + 1 < len(names) else None,
                "files": files,
                "compare": compare_address(f"{run.name}/{name}"),
            }
            return HTMLResponse(render("local_attempt.html.j2", **values))

        return await run_in_threadpool(made)

    async def file(self, request: Request) -> Response:
        """A file of an attempt as plain text, whatever it is."""
        folder = await self._folder(request)
        name, wanted = request.path_params["attempt"], request.path_params["file"]
        attempt = await run_in_threadpool(lambda: self._library.attempt(folder, name))
        path = attempt.folder.files.get(wanted) if attempt else None
        if path is None or not is_plain(path):
            raise Missing(f"There is no file {wanted} of {folder.name}/{name}.")
        if path.stat().st_size > _MOST_FILE_BYTES:
            raise Missing(f"{path} is too large for a browser; look at it there.")
        content = await run_in_threadpool(path.read_bytes)
        return PlainTextResponse(content.decode("utf-8", "replace"))

    async def leaderboard(self, request: Request) -> Response:
        asked = request.query_params
        task, agent = asked.get("task", ""), asked.get("agent", "")
        device, by = asked.get("device", ""), asked.get("by", "agent-model")

        def boards() -> tuple[Ranking, list[str], list[str]]:
            lines = self._library.lines()
            verdicts = [verdict for line in lines for verdict in line.state.verdicts]
            tasks = sorted({verdict.task for verdict in verdicts})
            devices = sorted({verdict.device.name for verdict in verdicts if verdict.device})
            kept = [each for each in verdicts if task in ("", each.task)]
            if agent:
                words = agent.lower().split()
                kept = [each for each in kept if all(word in f"{each.agent} {each.model}".lower() for word in words)]
            references: dict[str, References] = {}
            for line in lines:
                add_references(references, line.folder, {each.task for each in line.state.verdicts}, [])
            found = rank(Found(kept, references), by=_BY.get(by, "agent and model"))
            return found.on(device) if device else found, tasks, devices

        found, tasks, devices = await run_in_threadpool(boards)
        return await _page(
            "local_leaderboard.html.j2",
            here="leaderboard",
            boards=board_views(found),
            curves_note=CURVES_NOTE,
            tasks=tasks,
            devices=devices,
            bys=list(_BY),
            asked={"task": task, "agent": agent, "device": device, "by": by if by in _BY else "agent-model"},
        )

    async def compare(self, request: Request) -> Response:
        """Two attempts or two runs. Ticked boxes come as `with`, and are sent on to the address that keeps them."""
        asked = request.query_params
        ticked = asked.getlist("with")
        if len(ticked) in (1, 2):
            return RedirectResponse(compare_address(*ticked), status_code=303)
        first, second = asked.get("a", ""), asked.get("b", "")

        def made() -> Response:
            try:
                if ticked:
                    raise UsageError(f"{len(ticked)} were ticked, and two can be compared: untick the others.")
                status, values = 200, comparison(self._library, first, second)
            except UsageError as error:
                status, values = 404, refused(self._library, first, second, str(error))
            return HTMLResponse(render("local_compare.html.j2", here="compare", **values), status_code=status)

        return await run_in_threadpool(made)

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise Missing(f"There is no {name}.")
        return Response(asset(name), media_type=_ASSETS[name])

    async def icon(self, _request: Request) -> Response:
        """What browsers ask for beside a page that names no icon, such as a plain file."""
        return Response(asset("icon.svg"), media_type="image/svg+xml")

    async def _folder(self, request: Request) -> RunFolder:
        name = request.path_params["run"]
        folder = await run_in_threadpool(self._library.find, name)
        if folder is None:
            raise Missing(f"There is no run {name} in {self._library.folder}.")
        return folder

    def _of_run(self, folder: RunFolder) -> dict[str, Any]:
        run = self._library.run(folder)
        noise = run.noise.speedup if run.noise else None
        return {
            "here": "runs",
            "run": run,
            "best": _best(run),
            "rows": run.ranked,
            "links": {each.name: f"/runs/{folder.name}/attempts/{each.name}" for each in run.attempts},
            "attempts_chart": attempts_chart(run.judged, noise),
            "search": search_tree(run),
            "counts": counts(run),
            "cost": total_cost(run),
            "noise": noise,
            "environment": environment(run, run.best),
            "references": references_view(*run.figures),
        }


def _best(run: RunMaterial) -> dict[str, Any] | None:
    best = run.best
    if best is None:
        return None
    return {"name": best.name, "status": best.status, "verdict": best.verdict, "facts": facts(best)}


async def _page(template: str, **values: Any) -> HTMLResponse:  # noqa: ANN401 - a template takes what it names
    return HTMLResponse(await run_in_threadpool(lambda: render(template, **values)))


async def _missing(_request: Request, error: Exception) -> Response:
    text = str(error) if isinstance(error, Missing) else "There is no such page."
    return HTMLResponse(render("local_problem.html.j2", here="", title="Not found", text=text), status_code=404)


async def _unreadable(_request: Request, error: Exception) -> Response:
    page = render("local_problem.html.j2", here="", title="This run cannot be read", text=str(error))
    return HTMLResponse(page, status_code=500)
