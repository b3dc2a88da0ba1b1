"""The pictures in the documentation: `make screenshots`. Made of synthetic runs, so that they come out the same."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE), str(HERE.parent), str(HERE.parent / "harness")]

from chromium import chromium  # noqa: E402
from served import served  # noqa: E402
from synthetic_runs import a_measurement, write_synthetic_run  # noqa: E402

from harness.report.build import html_report  # noqa: E402
from harness.report.material import read_run  # noqa: E402
from harness.store import RunFolder  # noqa: E402
from harness.strict_json import strict_json  # noqa: E402
from harness.task_file import BUNDLED  # noqa: E402

RECORD = BUNDLED / "moe_align" / "records" / "h100"
TARGET = HERE.parent.parent / "docs" / "pictures"


def main() -> None:
    """Write every picture."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="harness-screenshots-") as space, chromium() as browser:
        out = Path(space)
        folder = write_synthetic_run(out, 24, samples=24, seed=5)
        searched = write_synthetic_run(out, 24, samples=24, seed=8, name="moe_align-20261121-101500", search=True)
        run = read_run(folder)
        if run.best and run.best.verdict:
            measured = a_measurement(run.best.verdict, random.Random(1), gpu=True, sessions=16)
            run.best.folder.samples.write_text(strict_json({"selection": measured.model_dump()}))
        report = out / "report.html"
        report.write_text(html_report(read_run(folder)))

        def shot(
            name: str, url: str, *, width: int = 1200, height: int = 900, dark: bool = False, at: str = ""
        ) -> None:
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            page.goto(url)
            if at:
                page.evaluate("place => document.querySelector(place).scrollIntoView()", at)
            page.screenshot(path=TARGET / f"{name}.png")
            page.close()
            print(f"{TARGET / name}.png: {(TARGET / f'{name}.png').stat().st_size / 1000:.0f} kB")

        best = f"#attempt-{run.best.name}" if run.best else "main"
        shot("report", report.as_uri())
        shot("report-workloads", report.as_uri(), at=f"{best}-workloads")
        shot("report-samples", report.as_uri(), at=f"{best}-samples", height=1300)
        shot("report-patch", report.as_uri(), at=f"{best}-patch")
        shot("report-phone", report.as_uri(), width=320, height=800)
        search = out / "search.html"
        search.write_text(html_report(read_run(searched)))
        shot("report-search", search.as_uri(), at="#search", height=720)
        record = out / "record.html"
        record.write_text(html_report(read_run(RunFolder(RECORD))))
        shot("report-references", record.as_uri(), at="#references")
        with served(out) as site:
            pair = [f"{each.name}/{read_run(each).ranked[0].name}" for each in (folder, searched)]
            shot("view-compare", f"{site.url}/compare?a={pair[0]}&b={pair[1]}", height=1000)
            shot("view-run", f"{site.url}/runs/{folder.name}", dark=True)
            shot("view-leaderboard", f"{site.url}/leaderboard")


if __name__ == "__main__":
    main()
