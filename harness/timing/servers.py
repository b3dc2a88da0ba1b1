"""The two arms' fork servers, and the pairs of fresh sessions that come from them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.sandbox.workers import worker_sandbox
from harness.timing.bench import Bench
from harness.timing.descendants import end_all_but, strays
from harness.timing.fork_server import ForkServer, arm_folder, preload_for
from harness.timing.inputs import derive_seed
from harness.timing.job import MeasureJob
from harness.timing.session import ArmFailed, Role, Session


class Servers:
    """The two arms' fork servers, renewed together every few sessions, with a new hash seed each time."""

    kind: type[ForkServer] = ForkServer

    def __init__(self, job: MeasureJob, bench: Bench) -> None:
        self._job = job
        self._bench = bench
        self._pair: list[ForkServer] = []
        self._folders = [arm_folder(Path(job.scratch)) for _ in range(2)]
        self._opened: list[Session] = []
        self._sessions = 0
        self._renewals = 0
        self._random = random.Random(derive_seed(job.seed, "servers"))

    @contextmanager
    def sessions(self) -> Iterator[tuple[Session, Session]]:
        """Two fresh sessions with their targets imported, base first; they and all they started end with it.

        Raises:
            ArmFailed: a server or an import failed.
        """
        if not self._pair or self._sessions >= self._job.protocol.sessions_per_server:
            self._renew()
        self._sessions += 1
        opened = self._opened = []
        try:
            # In random order: the first process of two gets other cores and other memory than the second.
            for server in self._random.sample(self._pair, 2):
                opened.append(server.fork())
                opened[-1].begin_set_up(self._bench, self._job)
            for session in opened:
                session.finish_set_up(self._job)
            base, candidate = sorted(opened, key=lambda session: session.role)
            yield base, candidate
        finally:
            for session in opened:
                session.close()
            end_all_but(self._server_pids)

    @property
    def _server_pids(self) -> set[int]:
        return set().union(*(server.pids for server in self._pair))

    def require_no_strays(self) -> None:
        """Look for processes that cut themselves loose. A base that leaves some was refused on admission.

        Raises:
            ArmFailed: `background_work`; what belongs to no session could do work that nobody clocks.
        """
        # A server's children are sessions; whatever else it has was cloned as its parent's child, by a session.
        kept = self._server_pids | {session.pid for session in self._opened}
        loose = strays(kept, self._server_pids)
        if loose:
            raise ArmFailed("candidate", "background_work", f"it left a process running on its own: {loose[0]}")

    def close(self) -> None:
        """End both servers and whatever the sessions left behind."""
        for server in self._pair:
            server.close()
        self._pair = []
        end_all_but(set())

    def _renew(self) -> None:
        self.close()
        job = self._job
        hash_seed = derive_seed(job.seed, "hash", self._renewals)
        preload = preload_for(job, self._bench)
        base, candidate = self._folders
        sandbox = worker_sandbox(job.sandbox, job.device)
        arms: list[tuple[Role, str, Path]] = [
            ("base", job.base_root, base),
            ("candidate", job.candidate_root, candidate),
        ]
        self._pair = [
            self.kind(role, Path(root), preload, folder, hash_seed, sandbox)
            for role, root, folder in self._random.sample(arms, 2)
        ]
        for server in self._pair:
            server.wait_until_ready()
        self._sessions = 0
        self._renewals += 1
