"""Frames between the referee and its workers: length-prefixed msgpack over a socket, never pickle.

What a worker sends is data. The worst it can do with a frame is to have it refused: unknown extension types
and dtypes, sizes that do not match shapes, truncated or oversized frames and bytes nobody asked for all raise
`WorkerProtocolError`. Values are trees of dict, list, tuple, None, bool, int, float, str, bytes, torch tensors
and numpy arrays. Strides are not kept (tensors arrive contiguous, on the CPU), nor is `requires_grad`.

This file is loaded by path inside workers too, so it imports nothing of the harness; torch and numpy are
imported only when a value of theirs passes through.
"""

from __future__ import annotations

import math
import socket
import struct
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgpack

if TYPE_CHECKING:
    import numpy as np
    import torch

# A value that can stand in a frame; there is no type for "msgpack and arrays, nested".
Tree = Any

MAX_FRAME_BYTES = 2 << 30
_HEADER = struct.Struct(">Q")
_CHUNK = 1 << 20

_TENSOR, _ARRAY, _SCALAR, _TUPLE, _BIG_INT = 1, 2, 3, 4, 5
_MAX_DIMENSIONS = 32
# Each is a decoder of its own inside of the last one's: two hundred use up a process's stack, and it is gone.
_MAX_TUPLES = 32
# On others, such as torch's "lazy", a tensor is computed once it is brought here.
_DEVICES = ("cpu", "cuda")
_INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")
_FLOATS = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
_TORCH_DTYPES = frozenset(_INTEGERS + _FLOATS)
_NUMPY_DTYPES = frozenset(
    ["|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8", "<c8", "<c16"]
)


class WorkerProtocolError(Exception):
    """The other side sent something that is not a frame of this protocol."""


class UnsendableError(TypeError):
    """A value that has no place in a frame; the message names its type."""


def encode(value: Tree, tuples: int = 0) -> bytes:
    """Turn a tree, which lies in so many `tuples`, into msgpack bytes.

    Types are matched exactly: a subclass of Tensor may compute its content only when it is looked at, after
    the clock has stopped, and a subclass of dict may do anything.

    Raises:
        UnsendableError: the tree holds something else than the types of this module, or is nested too deeply.
    """
    try:
        packed: bytes = msgpack.packb(value, default=partial(_pack_extension, tuples=tuples), strict_types=True)
    except (ValueError, OverflowError) as error:
        raise UnsendableError(f"cannot send this value: {error}") from error
    return packed


def decode(payload: bytes | bytearray | memoryview, tuples: int = 0) -> Tree:
    """Turn msgpack bytes, which lie in so many `tuples`, into a tree.

    Raises:
        WorkerProtocolError: the bytes are not such a tree.
    """
    try:
        return msgpack.unpackb(
            payload, ext_hook=partial(_unpack_extension, tuples=tuples), strict_map_key=False, raw=False
        )
    except WorkerProtocolError:
        raise
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        raise WorkerProtocolError(f"a frame is not valid msgpack: {error!r}") from error


def _pack_extension(value: Tree, tuples: int) -> Tree:
    kind = type(value)
    if isinstance(value, tuple):
        if tuples >= _MAX_TUPLES:
            raise UnsendableError(f"cannot send tuples that lie in more than {_MAX_TUPLES} others")
        # What it holds, whatever iterating over a subclass would say.
        return msgpack.ExtType(_TUPLE, encode([*tuple.__iter__(value)], tuples + 1))
    if kind is int:
        return msgpack.ExtType(_BIG_INT, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
    torch = sys.modules.get("torch")
    if torch is not None and kind is torch.Tensor:
        return msgpack.ExtType(_TENSOR, _tensor_bytes(value))
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray:
        return msgpack.ExtType(_ARRAY, _array_bytes(value))
    if numpy is not None and isinstance(value, numpy.generic):
        return msgpack.ExtType(_SCALAR, _array_bytes(numpy.asarray(value)))
    raise UnsendableError(f"cannot send a {kind.__module__}.{kind.__qualname__}: only plain data, tensors and arrays")


def _tensor_bytes(tensor: torch.Tensor) -> bytes:
    import torch  # noqa: PLC0415 - only where a tensor passes through

    name = str(tensor.dtype).removeprefix("torch.")
    if name not in _TORCH_DTYPES or tensor.layout is not torch.strided or tensor.device.type not in _DEVICES:
        raise UnsendableError(f"cannot send a {tensor.layout} tensor of {tensor.dtype} on {tensor.device}")
    # Torch's own method: an attribute of that name on this one tensor would be called in its place.
    flat = torch.Tensor.detach(tensor).to("cpu").resolve_conj().resolve_neg().contiguous().reshape(-1)
    raw = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return bytes(msgpack.packb([name, list(tensor.shape), raw]))


def _array_bytes(array: np.ndarray[Any, Any]) -> bytes:
    name = array.dtype.str
    if name not in _NUMPY_DTYPES:
        raise UnsendableError(f"cannot send a numpy array of {array.dtype}")
    return bytes(msgpack.packb([name, list(array.shape), array.tobytes()]))


def _unpack_extension(code: int, data: bytes, tuples: int) -> Tree:
    if code == _TUPLE:
        if tuples >= _MAX_TUPLES:
            raise WorkerProtocolError(f"tuples that lie in more than {_MAX_TUPLES} others")
        items = decode(data, tuples + 1)
        if not isinstance(items, list):
            raise WorkerProtocolError("a tuple that holds no list")
        return tuple(items)
    if code == _BIG_INT:
        return int.from_bytes(data, "little", signed=True)
    if code == _TENSOR:
        return _read_tensor(data)
    if code in (_ARRAY, _SCALAR):
        array = _read_array(data)
        return array if code == _ARRAY else array.reshape(())[()]
    raise WorkerProtocolError(f"unknown extension type {code}")


def _read_parts(data: bytes, dtypes: frozenset[str]) -> tuple[str, list[int], bytes]:
    parts = msgpack.unpackb(data)
    if not (isinstance(parts, list) and len(parts) == 3):
        raise WorkerProtocolError("an array that is not [dtype, shape, bytes]")
    name, shape, raw = parts
    if not (isinstance(name, str) and name in dtypes):
        raise WorkerProtocolError(f"unknown dtype {name!r}")
    if not (isinstance(shape, list) and len(shape) <= _MAX_DIMENSIONS and all(_is_size(size) for size in shape)):
        raise WorkerProtocolError("an array whose shape is no list of sizes")
    if math.prod(max(size, 1) for size in shape) > MAX_FRAME_BYTES:
        raise WorkerProtocolError("an array whose other sizes overflow where one is 0")
    if not isinstance(raw, bytes):
        raise WorkerProtocolError("an array without bytes")
    return name, shape, raw


def _is_size(size: object) -> bool:
    return type(size) is int and 0 <= size <= MAX_FRAME_BYTES


def _read_tensor(data: bytes) -> torch.Tensor:
    import torch  # noqa: PLC0415

    name, shape, raw = _read_parts(data, _TORCH_DTYPES)
    dtype: torch.dtype = getattr(torch, name)
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise WorkerProtocolError(f"a tensor of shape {shape} and {dtype} with {len(raw)} bytes")
    if not raw:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)


def _read_array(data: bytes) -> np.ndarray[Any, Any]:
    import numpy as np  # noqa: PLC0415

    name, shape, raw = _read_parts(data, _NUMPY_DTYPES)
    dtype = np.dtype(name)
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise WorkerProtocolError(f"an array of shape {shape} and {dtype} with {len(raw)} bytes")
    return np.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)


class Channel:
    """One end of a socket that carries frames: 8 bytes of length, big-endian, then msgpack."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def close(self) -> None:
        """Close this end; the other end reads end-of-file."""
        self._socket.close()

    def send(self, value: Tree) -> None:
        """Encode and send one frame."""
        self.send_payload(encode(value))

    def send_payload(self, payload: bytes, seconds: float | None = None) -> None:
        """Send bytes that are encoded already, within `seconds`."""
        self._socket.settimeout(seconds)
        if len(payload) < _CHUNK:
            self._socket.sendall(_HEADER.pack(len(payload)) + payload)
        else:
            self._socket.sendall(_HEADER.pack(len(payload)))
            self._socket.sendall(payload)

    def receive(self, seconds: float | None = None, limit: int = MAX_FRAME_BYTES) -> Tree:
        """Read and decode one frame; see `receive_payload`."""
        return decode(self.receive_payload(seconds, limit))

    def receive_payload(self, seconds: float | None = None, limit: int = MAX_FRAME_BYTES) -> bytearray:
        """Read one frame, undecoded: the reader of the clock stops it here, and decodes afterwards.

        Request and reply alternate, so more bytes than one frame mean that the other side speaks out of turn.

        Raises:
            TimeoutError: no whole frame within `seconds`.
            EOFError: the other end closed.
            WorkerProtocolError: the frame is longer than `limit` bytes, or is followed by more.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        buffer = bytearray()
        needed: int | None = None
        while needed is None or len(buffer) < needed:
            self._socket.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-3))
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                raise EOFError("the other end closed the channel")
            buffer += chunk
            if needed is None and len(buffer) >= _HEADER.size:
                length = _HEADER.unpack_from(buffer)[0]
                if length > limit:
                    raise WorkerProtocolError(f"a frame of {length} bytes, more than the {limit} allowed")
                needed = _HEADER.size + length
        if len(buffer) > needed:
            raise WorkerProtocolError("bytes after the end of a frame: a reply nobody asked for")
        del buffer[: _HEADER.size]
        return buffer
