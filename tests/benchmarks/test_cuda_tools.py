"""Reading what ncu counts, from a program of its name that says what the real one does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.cuda_tools import METRICS, NoProfileError, find_tool, profile

HEAD = (
    '"ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size","Grid Size","Device",'
    '"CC","Section Name","Metric Name","Metric Unit","Metric Value"'
)


def row(number: int, kernel: str, metric: str, value: str) -> str:
    where = f'"{number}","7","python3","127.0.0.1","{kernel}","1","7","(128, 1, 1)","(2, 1, 1)","0","9.0"'
    return f'{where},"Command line profiler metrics","{metric}","","{value}"'


COUNTED = "\n".join(
    [
        "==PROF== Connected to process 7",
        HEAD,
        row(0, "_count, of all", "gpu__time_duration.sum", "1,536"),
        row(0, "_count, of all", "smsp__inst_executed.sum", "2048"),
        row(0, "_count, of all", "dram__bytes_read.sum", "n/a"),
        row(1, "_scatter", "gpu__time_duration.sum", "992.5"),
        "==PROF== Disconnected from process 7",
    ]
)


@pytest.fixture
def ncu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH, and in it an ncu that writes the file `says` as its log and ends as the file `ends` says."""
    program = tmp_path / "ncu"
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "from pathlib import Path\n"
        "here, arguments = Path(__file__).parent, sys.argv\n"
        "log = Path(arguments[arguments.index('--log-file') + 1])\n"
        "log.write_text((here / 'says').read_text())\n"
        "(here / 'asked').write_text(' '.join(arguments[1:]))\n"
        "sys.exit(int((here / 'ends').read_text()))\n"
    )
    program.chmod(0o755)
    (tmp_path / "ends").write_text("0")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_every_kernel_has_the_numbers_that_were_counted(ncu: Path) -> None:
    (ncu / "says").write_text(COUNTED)
    assert profile(["program", "-x"], ncu / "log", timeout=20) == [
        {"kernel": "_count, of all", "ns": 1536.0, "warp_instructions": 2048.0},
        {"kernel": "_scatter", "ns": 992.5},
    ]
    asked = (ncu / "asked").read_text()
    assert asked.endswith("program -x")
    assert ",".join(METRICS) in asked
    assert "--clock-control none" in asked  # nobody's card is set


def test_a_refusal_says_why(ncu: Path) -> None:
    (ncu / "says").write_text("==PROF== Connected\n==ERROR== ERR_NVGPUCTRPERM - no permission to read counters\n")
    (ncu / "ends").write_text("1")
    with pytest.raises(NoProfileError, match="ended with 1 and 0 kernels: ==ERROR== ERR_NVGPUCTRPERM"):
        profile(["program"], ncu / "log", timeout=20)


def test_counting_nothing_is_no_profile(ncu: Path) -> None:
    (ncu / "says").write_text("==WARNING== No kernels were profiled.\n")
    with pytest.raises(NoProfileError, match="No kernels were profiled"):
        profile(["program"], ncu / "log", timeout=20)


def test_a_tool_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("benchmarks.cuda_tools.PLACES", (f"{tmp_path}/cuda-*/bin",))
    with pytest.raises(NoProfileError, match="ncu is not installed"):
        profile(["program"], tmp_path / "log", timeout=20)
    tool = tmp_path / "cuda-13" / "bin" / "ncu"
    tool.parent.mkdir(parents=True)
    tool.write_text("")
    tool.chmod(0o755)
    assert find_tool("ncu") == str(tool)
