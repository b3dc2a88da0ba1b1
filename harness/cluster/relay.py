"""The one thing of ours that Ray runs: it starts a station on its node and carries frames in and out.

The class goes to a node by value, so that a node without the harness, or with another one, can say so. A frame is not
looked into here. The key of a model travels as an argument of a call, which Ray passes from memory to memory: it is
in no task specification that is kept, no log and no object store.
"""

from __future__ import annotations

from typing import Any


def relay_class() -> type[Any]:
    """The class, made anew: what is made in a function is pickled by value."""
    import ray  # noqa: PLC0415 - an extra

    class Relay:
        """Starts a station, and carries frames. Two concurrency groups keep each direction in order."""

        def __init__(self) -> None:
            import queue  # noqa: PLC0415
            import tempfile  # noqa: PLC0415

            self._frames: Any = queue.SimpleQueue()
            self._said: Any = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this lives
            self._process: Any = None

        @ray.method(concurrency_group="inwards")  # type: ignore[untyped-decorator]
        def open(self) -> None:
            """Start the station, with the environment that this worker began with and the GPU that Ray gave it."""
            import os  # noqa: PLC0415
            import subprocess  # noqa: PLC0415
            import sys  # noqa: PLC0415
            import threading  # noqa: PLC0415
            from pathlib import Path  # noqa: PLC0415

            began = Path("/proc/self/environ").read_bytes().decode(errors="surrogateescape").split("\0")
            # Ray adds variables of its own once it runs, some of which change what is timed (OMP_NUM_THREADS).
            environment = dict(each.split("=", 1) for each in began if "=" in each and not each.startswith("RAY_"))
            environment.pop("CUDA_VISIBLE_DEVICES", None)
            if "CUDA_VISIBLE_DEVICES" in os.environ:
                environment["CUDA_VISIBLE_DEVICES"] = os.environ["CUDA_VISIBLE_DEVICES"]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "harness.cluster.station"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
            threading.Thread(target=self._read, daemon=True).start()

        def _read(self) -> None:
            self._process.wait()  # it has made the station nobody's child
            stream = self._process.stdout
            while True:
                head = stream.read(8)
                frame = stream.read(int.from_bytes(head, "big")) if len(head) == 8 else b""
                if not frame:
                    self._frames.put(None)
                    return
                self._frames.put(frame)

        @ray.method(concurrency_group="inwards")  # type: ignore[untyped-decorator]
        def send(self, *frames: bytes) -> None:
            """Hand frames to the station. One that has ended is found by `receive`."""
            import contextlib  # noqa: PLC0415

            with contextlib.suppress(BrokenPipeError):
                for frame in frames:
                    self._process.stdin.write(len(frame).to_bytes(8, "big") + frame)
                self._process.stdin.flush()

        @ray.method(concurrency_group="outwards")  # type: ignore[untyped-decorator]
        def receive(self, seconds: float) -> tuple[list[bytes], str | None]:
            """What the station has said, waiting for the first word at most `seconds`; and its last ones if it ended.

            Returns:
                Frames, and None while it lives; else what it wrote to standard error.
            """
            import os  # noqa: PLC0415
            import queue  # noqa: PLC0415
            import time  # noqa: PLC0415

            found: list[bytes] = []
            try:
                frame = self._frames.get(timeout=seconds)
                time.sleep(0.02)  # more of them may come together
                while frame is not None:
                    found.append(frame)
                    frame = self._frames.get_nowait()
            except queue.Empty:
                return found, None
            self._frames.put(None)
            self._said.seek(max(0, os.fstat(self._said.fileno()).st_size - 4000))
            return found, self._said.read().decode(errors="replace")

    return Relay
