"""The task's build commands, run in a checkout, every line of them kept in a log."""

from __future__ import annotations

from pathlib import Path

from harness.errors import BuildFailed
from harness.sandbox import run_confined

BUILD_SECONDS = 1800.0
LOG_BYTES = 4_000_000


def build(commands: list[str], checkout: Path, scratch: Path, log: Path) -> None:
    """Run the build commands one after the other, writing commands and output to `log`.

    Raises:
        BuildFailed: a command failed or ran past `BUILD_SECONDS`; the message ends with its last lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as record:
        if not commands:
            record.write("The task has no build commands.\n")
        for command in commands:
            result = run_confined(
                command,
                checkout=checkout,
                scratch=scratch,
                seconds=BUILD_SECONDS,
                max_bytes=LOG_BYTES,
                gives_way=False,
            )
            ended = f"exit code {result.exit_code}" if result.exit_code is not None else "ended at the time limit"
            record.write(f"$ {command}\n{result.output}\n[{ended}, {result.seconds:.1f} s]\n")
            record.flush()
            if result.exit_code != 0:
                last = "\n".join(result.output.strip().splitlines()[-15:])
                raise BuildFailed("build_command_failed", f"`{command}`: {ended}.\n{last}")
