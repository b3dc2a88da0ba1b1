"""A report in one of its forms, by the name of the file that is asked for: HTML, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import UsageError
from harness.reference_forms import references_json, references_markdown, references_view
from harness.report.attempts_chart import attempts_chart
from harness.report.cards import Card, make_card
from harness.report.facts import counts, environment, facts, total_cost
from harness.report.material import AttemptMaterial, RunMaterial
from harness.report.page import asset, offline_policy, render
from harness.report.search_tree import search_tree
from harness.strict_json import strict_json
from harness.text import fenced

MOST_BYTES = 2_900_000  # under the 3 MB that mail and chat let through
MOST_CARDS = 24  # nobody reads more; each is drawn in a seventh of a second
FORMS = (".html", ".md", ".json")


def report(run: RunMaterial, suffix: str) -> str:
    """The report of a run in the form that a file's suffix asks for.

    Raises:
        UsageError: there is no such form.
    """
    if suffix in (".html", ".htm"):
        return html_report(run)
    if suffix in (".md", ".markdown"):
        return markdown_report(run)
    if suffix == ".json":
        return json_report(run)
    raise UsageError(
        f"There is no report of the form {suffix or '(no suffix)'}.",
        remedy=f"Name a file that ends in {', '.join(FORMS)}.",
    )


def html_report(run: RunMaterial, most_bytes: int = MOST_BYTES) -> str:
    """One file that holds all it shows. The best attempts are shown whole, as many as fit; all are in the table."""
    style, script = asset("page.css"), asset("page.js")
    values = {
        **_common(run),
        "policy": offline_policy(style, script),
        "style": style,
        "script": script,
        "version": __version__,
    }
    bare = render("report.html.j2", **values, cards=[], bodies=[], best=_best(run), links={}, left_out=0)
    room = most_bytes - len(bare.encode()) - 60 * len(run.attempts)
    cards: list[Card] = []
    bodies: list[str] = []
    links: dict[str, str] = {}
    for attempt, card, body in _cards(run):
        room -= len(body.encode())
        if room < 0 and cards:
            break
        cards.append(card)
        bodies.append(body)
        links[attempt.name] = f"#{card.id}"
    values |= {"cards": cards, "links": links, "left_out": len(run.attempts) - len(cards)}
    return render("report.html.j2", **values, bodies=bodies, best=_best(run))


def _cards(run: RunMaterial) -> Iterator[tuple[AttemptMaterial, Card, str]]:
    for attempt in run.ranked[:MOST_CARDS]:
        card = make_card(attempt, first=attempt is run.best)
        yield attempt, card, render("card.html.j2", card=card, folded=len(run.attempts) > 1)


def _common(run: RunMaterial) -> dict[str, Any]:
    noise = run.noise.speedup if run.noise else None
    device = next((verdict.device.name for verdict in run.verdicts if verdict.device), None)
    return {
        "run": run,
        "many": len(run.attempts) > 1,
        "attempts": run.ranked,
        "attempts_chart": attempts_chart(run.judged, noise),
        "search": search_tree(run),
        "counts": counts(run),
        "cost": total_cost(run),
        "noise": noise,
        "device": device,
        "environment": environment(run, run.best),
        "references": references_view(*run.figures),
    }


def _best(run: RunMaterial) -> Any:  # noqa: ANN401 - what the template reads of a card
    best = run.best
    if best is None:
        return None
    return {"name": best.name, "status": best.status, "verdict": best.verdict, "facts": facts(best)}


def markdown_report(run: RunMaterial) -> str:
    """The same facts as text, for a pull request or a terminal."""
    cards = [_best_of(attempt) for attempt in run.ranked[:3]]
    return render("report.md.j2", **_without_charts(run), best=_best(run), cards=cards, version=__version__)


def _without_charts(run: RunMaterial) -> dict[str, Any]:
    noise = run.noise.speedup if run.noise else None
    return {
        "run": run,
        "attempts": run.ranked,
        "search": search_tree(run),
        "counts": counts(run),
        "cost": total_cost(run),
        "noise": noise,
        "environment": environment(run, run.best),
        "references": references_markdown(run.figures[0]) if run.figures[0] else run.figures[1],
    }


def _best_of(attempt: AttemptMaterial) -> dict[str, Any]:
    verdict = attempt.verdict
    return {
        "name": attempt.name,
        "status": attempt.status,
        "verdict": verdict,
        "patch": _patch_block(attempt.patch.text),
    }


def _patch_block(text: str, most: int = 20_000) -> str:
    """A patch as a code block, cut where it is long."""
    from harness.report.hidden import revealed  # noqa: PLC0415

    text = revealed(text[:most]) + (f"\n... {len(text) - most} more characters\n" if len(text) > most else "")
    return fenced(text.rstrip(), "diff") if text.strip() else ""


def json_report(run: RunMaterial) -> str:
    """The same facts for programs."""
    document = {
        "run": run.name,
        "status": run.status,
        "error": run.state.error,
        "started": run.state.started.model_dump() if run.state.started else None,
        "noise": run.noise.model_dump() if run.noise else None,
        "best": run.best.name if run.best else None,
        "counts": dict(counts(run)),
        "attempts": [_attempt_json(attempt) for attempt in run.ranked],
        "environment": dict(environment(run, run.best)),
        **({"references": references_json(run.figures[0])} if run.figures[0] else {}),
    }
    return strict_json(document, indent=2) + "\n"


def _attempt_json(attempt: AttemptMaterial) -> dict[str, Any]:
    return {
        "attempt": attempt.name,
        "status": attempt.status,
        **({"brief": attempt.brief.model_dump(exclude={"event", "at", "attempt"})} if attempt.brief else {}),
        "facts": [{"tone": fact.tone, "text": fact.text} for fact in facts(attempt)] if attempt.verdict else [],
        "verdict": attempt.verdict.model_dump() if attempt.verdict else None,
    }


def write_report(run: RunMaterial, target: Path) -> int:
    """Write the report and give back its size in bytes.

    Raises:
        UsageError: the suffix names no form, or the folder is not there.
        StorageError: the file cannot be written.
    """
    from harness.whole_file import write_atomic  # noqa: PLC0415

    if target.parent != Path() and not target.parent.is_dir():
        raise UsageError(f"There is no folder {target.parent}.", remedy="Make it first, or choose another with -o.")
    text = report(run, target.suffix.lower())
    write_atomic(target, text, "-o")
    return len(text.encode())
