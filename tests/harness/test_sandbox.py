"""The sandbox's own parts: what a command is shown, which sandbox is chosen, what the launcher is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.sandbox import (
    Confinement,
    ResourceLimits,
    Sandbox,
    SandboxUnavailable,
    choose,
    choose_sandbox,
    host_pid,
    keep_out,
    scrubbed_environment,
    view,
)
from harness.sandbox.bubblewrap import BubblewrapSandbox
from harness.sandbox.landlock import KernelSandbox, to_limits
from harness.sandbox.launcher import landlock, seccomp
from harness.sandbox.launcher.spec import Spec, View


def test_the_environment_holds_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    environment = scrubbed_environment(tmp_path / "tree", tmp_path / "scratch")
    assert "OPENAI_API_KEY" not in environment
    assert environment["HOME"] == str(tmp_path / "scratch")


def test_nothing_is_confined_only_when_asked_for_by_name() -> None:
    none = choose_sandbox("none")
    assert none.name == "none"
    assert none.wrap(Confinement()) == []


def test_auto_takes_the_first_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "problem", lambda sandbox: None if sandbox.name == "landlock-only" else "no")
    assert choose_sandbox().name == "landlock-only"


def test_where_none_works_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "problem", lambda _: "the kernel says no")
    with pytest.raises(SandboxUnavailable) as caught:
        choose_sandbox()
    assert caught.value.exit_code == 4
    assert "bubblewrap: the kernel says no" in str(caught.value)
    assert "apt-get install bubblewrap" in str(caught.value)


def test_a_sandbox_that_is_not_installed_is_a_problem() -> None:
    missing = BubblewrapSandbox("/nowhere/bwrap", landlock=False)
    assert "nowhere" in str(choose.problem(missing))


def test_a_command_that_sees_too_much_is_no_sandbox() -> None:
    class Open(KernelSandbox):
        def wrap(self, confinement: Confinement) -> list[str]:
            return []

    assert choose.problem(Open(namespaces=False, landlock=False)) is not None


@pytest.mark.parametrize("wanted", ["docker", "podman"])
def test_containers_are_declined_with_a_way_out(wanted: choose.Wanted) -> None:
    with pytest.raises(SandboxUnavailable, match=f"Start the whole harness in a {wanted} container"):
        choose_sandbox(wanted)


def test_only_what_is_named_is_shown(tmp_path: Path) -> None:
    for name in ("tree", "shown/hidden", "shown/open", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("shown/open")
    found = view.view(
        Confinement(
            writable=(tmp_path / "tree",),
            readable=(tmp_path / "shown", tmp_path / "link", tmp_path / "missing"),
            hidden=(tmp_path / "shown" / "hidden", tmp_path / "other"),
        )
    )
    here = str(tmp_path.resolve())
    assert found.write == [f"{here}/tree"]
    assert f"{here}/shown" in found.read
    assert f"{here}/shown/open" not in found.read, "it lies in a folder that is shown"
    assert [path for path in found.hide if path.startswith(here)] == [f"{here}/shown/hidden"]
    assert [f"{here}/link", "shown/open"] in found.links
    assert not [path for path in [*found.read, *found.write] if path in ("/", "/home", "/root", "/tmp", here)]


def test_the_interpreter_and_this_package_are_shown() -> None:
    found = view.view(Confinement())
    for needed in (sys.prefix, sys.base_prefix, view.PACKAGE):
        path = Path(needed).resolve()
        assert any(path == Path(shown) or Path(shown) in path.parents for shown in found.read)


def test_bundled_tasks_are_never_shown() -> None:
    found = view.view(Confinement(readable=(view.PACKAGE.parent,)))
    assert str(view.PACKAGE.parent / "tasks") in found.hide


def test_runs_in_the_interpreters_own_folder_do_not_take_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    before = view.view(Confinement())
    monkeypatch.setattr("harness.sandbox.withheld._paths", {})
    keep_out([Path(sys.prefix), Path("/usr"), Path("/usr/bin")])
    after = view.view(Confinement())
    assert set(before.read) <= set(after.read)
    assert not {sys.prefix, "/usr"} & set(after.hide)


@pytest.mark.parametrize("sandbox", choose.working_sandboxes(), ids=lambda sandbox: sandbox.name)
def test_a_project_in_a_folder_that_is_shown_shows_no_more_than_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """As where it lies in /opt, or where the project is its own virtual environment."""
    monkeypatch.setattr("harness.sandbox.withheld._paths", {})
    for name in ("tasks/it", "runs/one", "worktrees/one/001", "worktrees/one/002", "judge.git"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text(f"in {name}\n")
    (tmp_path / "tasks" / "it.yaml").write_text("the task\n")
    keep_out([tmp_path / "tasks" / "it.yaml", tmp_path / "tasks" / "it", tmp_path / "runs", None])
    keep_out([tmp_path / "worktrees", tmp_path / "judge.git", tmp_path / "nowhere"])
    tree = tmp_path / "worktrees" / "one" / "001"
    line = sandbox.wrap(Confinement(writable=(tree,), readable=(tmp_path, tmp_path / "judge.git")))
    script = 'cat "$@"; echo changed > file; cd /; ls runs/one 2>&1'
    names = ("tasks/it.yaml", "tasks/it/file", "runs/one/file", "worktrees/one/002/file", "judge.git/file")
    paths = [str(tmp_path / name) for name in (*names, "worktrees/one/001/file")]
    done = subprocess.run(
        [*line, "bash", "-c", script, "bash", *paths], cwd=tree, capture_output=True, text=True, check=False
    )
    assert "in judge.git\nin worktrees/one/001\n" in done.stdout
    assert not any(word in done.stdout for word in ("the task", "in tasks", "in runs", "002"))
    assert (tree / "file").read_text() == "changed\n"


def test_what_not_everybody_may_read_is_hidden(tmp_path: Path) -> None:
    for name, mode in (("key", 0o600), ("public", 0o644), ("closed", 0o700), ("open", 0o755)):
        path = tmp_path / name
        path.mkdir() if "o" in name and name != "public" else path.write_text("x")
        path.chmod(mode)
    assert {path.name for path in view._closed(tmp_path, 2)} == {"key", "closed"}


def test_a_spec_comes_through_whatever_is_in_a_path() -> None:
    odd = "/a b;3:c\n\udcff"
    limits = to_limits(ResourceLimits(cpu_seconds=None, processes=7))
    shown = View(read=[odd, "/b"], write=[], hide=["/c"], devices=[], links=[["/bin", "usr/bin"]])
    spec = Spec(walls=["landlock"], view=shown, limits=limits)
    back = Spec.from_argument(spec.to_argument())
    assert (back.walls, vars(back.view), vars(back.limits)) == (["landlock"], vars(shown), vars(limits))


def test_rules_leave_holes_out(tmp_path: Path) -> None:
    for name in ("a/hole", "a/kept", "b"):
        (tmp_path / name).mkdir(parents=True)
    rules = dict(landlock.around(str(tmp_path), [f"{tmp_path}/a/hole"], landlock.READ))
    assert rules == {
        str(tmp_path): landlock.LIST,
        f"{tmp_path}/a": landlock.LIST,
        f"{tmp_path}/a/kept": landlock.READ,
        f"{tmp_path}/b": landlock.READ,
    }


def test_a_hole_in_a_writable_folder_is_refused_where_it_cannot_be_held(tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    confinement = Confinement(writable=(tmp_path,), hidden=(tmp_path / "hidden",))
    with pytest.raises(UsageError, match="hidden"):
        KernelSandbox(namespaces=False, landlock=True).wrap(confinement)
    assert KernelSandbox(namespaces=True, landlock=True).wrap(confinement)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.parametrize("network", [True, False])
def test_the_filter_is_a_program_the_kernel_can_take(machine: str, isolated: bool, network: bool) -> None:
    code = seccomp.program(machine, isolated=isolated, network=network)
    assert len(code) <= 4096
    for place, (operation, yes, no, _) in enumerate(code[:-1]):
        assert max(yes, no) < 256
        assert place + 1 + max(yes, no) < len(code), f"instruction {operation:#x} jumps past the end"
    assert code[-1][0] == 0x06


STAYS = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
made = [libc.shmget(0, 4096, 0o1600), libc.semget(0, 1, 0o1600), libc.msgget(0, 0o1600)]
made.append(libc.mq_open(b"/harness-test", 0o102, 0o600, None))
assert made == [-1] * 4 and ctypes.get_errno() == errno.ENOSYS, (made, ctypes.get_errno())
import multiprocessing
multiprocessing.Semaphore()
"""


def test_nothing_is_made_that_the_machine_would_keep() -> None:
    sandbox = KernelSandbox(namespaces=False, landlock=True)
    if choose.problem(sandbox) is not None:
        pytest.skip("this kernel has no Landlock")
    done = subprocess.run([*sandbox.wrap(Confinement()), sys.executable, "-c", STAYS], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_process_is_found_by_its_number_inside() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 30 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        inner = int(process.stdout.readline())
        assert host_pid(process.pid, inner) == inner
        assert host_pid(process.pid, os.getpid()) is None
        os.kill(inner, 9)


def test_a_hardened_process_shows_its_environment_to_nobody_else() -> None:
    """To root without capabilities, or to the same user, it is closed; asked of a process of the same user."""
    code = "from harness.sandbox import harden_self; harden_self(); print(flush=True); input()"
    line = [sys.executable, "-c", code]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=view.PACKAGE.parent) as process:
        assert process.stdout is not None
        process.stdout.readline()
        status = Path(f"/proc/{process.pid}/environ").stat()
        assert status.st_uid == 0, "the kernel gives such a process's files to root"
        if os.geteuid() != 0:
            with pytest.raises(PermissionError):
                Path(f"/proc/{process.pid}/environ").read_bytes()
        process.kill()
