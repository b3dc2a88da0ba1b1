"""What the run's process and a station tell each other: records, packed as MessagePack, nothing that is executed."""

from __future__ import annotations

import struct
from typing import IO, Annotated, Any, Literal

import msgpack
from pydantic import Field, TypeAdapter

from harness.plan import Admission
from harness.verdict import Device, Record, Verdict

_LENGTH = struct.Struct(">Q")


class Look(Record):
    """To a station: what can be measured on there?"""

    kind: Literal["look"] = "look"
    device: Literal["auto", "cpu", "cuda"]
    sandbox: str


class Prepare(Record):
    """To a station: what attempts share.

    Attributes:
        run: the run's name.
        device: what the task's device comes to here.
        options: its `RunOptions`, as plain data.
        seed: the run's secret.
        admitted: what admitting the base on this node found, if that was done in this run; else it is done now.
        limits: of the whole run: dollars, tokens, seconds.
    """

    kind: Literal["prepare"] = "prepare"
    run: str
    node: str
    device: Literal["auto", "cpu", "cuda"]
    options: dict[str, Any]
    seed: int
    admitted: Admission | None
    limits: tuple[float | None, int | None, float | None]


class Key(Record):
    """To a station whose agent asks a model: the key, kept in memory and nowhere else."""

    kind: Literal["key"] = "key"
    key: str = Field(repr=False)


class Parcel(Record):
    """To a station: the task's files and the sealed base, packed."""

    kind: Literal["parcel"] = "parcel"
    content: bytes = Field(repr=False)


class Begin(Record):
    """To a station: a try at a slot.

    Attributes:
        job: the `Job`, as plain data.
        files: what lies in the run's folder already and the attempt needs, packed.
    """

    kind: Literal["begin"] = "begin"
    job: dict[str, Any]
    files: bytes = Field(repr=False)


class Spending(Record):
    """To a station: what the run has used up elsewhere, and by its clock."""

    kind: Literal["spending"] = "spending"
    usd: float
    tokens: int
    seconds: float


class Stop(Record):
    """To a station: call off what is under way, leave nothing, end."""

    kind: Literal["stop"] = "stop"


class Hello(Record):
    """From a station, before anything else: which harness this is. The code is digested, for a version says little."""

    kind: Literal["hello"] = "hello"
    version: str
    code: str
    host: str
    pid: int


class Described(Record):
    """From a station: what it measures on, and what confines commands there."""

    kind: Literal["described"] = "described"
    device: Device
    sandbox: str


class Ready(Record):
    """From a station: the base is admitted there. `folder` is where its attempts' folders are."""

    kind: Literal["ready"] = "ready"
    admission: Admission
    folder: str


class Told(Record):
    """From a station: an event of a run, as plain data."""

    kind: Literal["told"] = "told"
    event: dict[str, Any]


class Used(Record):
    """From a station: what an agent at work has used up so far."""

    kind: Literal["used"] = "used"
    attempt: str
    usd: float | None
    tokens: int


class Kept(Record):
    """From a station: an agent is done, and this is its attempt's folder; only the judge's work can be lost now."""

    kind: Literal["kept"] = "kept"
    attempt: str
    files: bytes = Field(repr=False)


class Finished(Record):
    """From a station: a try has a verdict; its attempt's folder comes along, packed."""

    kind: Literal["finished"] = "finished"
    attempt: str
    verdict: Verdict
    files: bytes = Field(repr=False)


class Refused(Record):
    """From a station: it cannot work, or cannot go on. `error` is the class in `harness.errors`."""

    kind: Literal["refused"] = "refused"
    error: str
    message: str
    remedy: str | None = None


Message = (
    Look
    | Prepare
    | Key
    | Parcel
    | Begin
    | Spending
    | Stop
    | Hello
    | Described
    | Ready
    | Told
    | Used
    | Kept
    | Finished
    | Refused
)
_Messages: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def encode(message: Message) -> bytes:
    """A message as bytes. What an agent said may hold lone surrogates: they pass."""
    packed: bytes = msgpack.packb(message.model_dump(), unicode_errors="surrogatepass")
    return packed


def decode(frame: bytes) -> Message:
    """The message that `encode` made bytes of.

    Raises:
        pydantic.ValidationError: it did not.
    """
    return _Messages.validate_python(msgpack.unpackb(frame, unicode_errors="surrogatepass", strict_map_key=False))


def write_frame(stream: IO[bytes], frame: bytes) -> None:
    """Write a length and what is that long."""
    stream.write(_LENGTH.pack(len(frame)))
    stream.write(frame)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """What `write_frame` wrote; None at the end of the stream, also where that comes in the middle."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    frame = stream.read(length)
    return frame if len(frame) == length else None
