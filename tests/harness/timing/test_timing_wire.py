"""Frames: what goes in comes out, and whatever else comes is refused."""

import contextlib
import random
import resource
import socket
import struct
from collections.abc import Iterator

import msgpack
import numpy as np
import pytest
import torch

from harness.timing.memory_limit import decoding_bytes, within_memory
from harness.timing.wire import Channel, UnsendableError, WorkerProtocolError, decode, encode

TORCH_DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]


def test_plain_trees_come_back_equal_and_of_the_same_types() -> None:
    tree = {"a": [1, -2, 3.5, None, True], "b": (b"x", "y", (1, [2, (3,)])), 4: {}, "big": [2**100, -(2**80)]}
    back = decode(encode(tree))
    assert back == tree
    assert type(back["b"]) is tuple
    assert type(back["b"][2][1][1]) is tuple


@pytest.mark.parametrize("name", TORCH_DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (4, 5)])
def test_tensors_come_back_bit_for_bit(name: str, shape: tuple[int, ...]) -> None:
    tensor = (torch.randn(shape) * 50).to(getattr(torch, name))
    back = decode(encode({"t": tensor}))["t"]
    assert back.dtype == tensor.dtype
    assert back.shape == tensor.shape
    assert encode(back) == encode(tensor)
    assert torch.equal(back, tensor)


def test_strided_tensors_arrive_contiguous_and_writable() -> None:
    tensor = torch.arange(12).reshape(3, 4).T
    back = decode(encode(tensor))
    assert torch.equal(back, tensor)
    back.add_(1)


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c16"])
def test_arrays_and_numpy_scalars_come_back(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    back, scalar = decode(encode([array, array[1, 2]]))
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    assert type(scalar) is type(array[1, 2])
    assert scalar == array[1, 2]


class LazyTuple(tuple[int, ...]):
    """Would do its work only when somebody looks."""

    __slots__ = ()

    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])


def test_what_is_sent_is_what_a_value_holds_and_not_what_it_says() -> None:
    assert decode(encode(LazyTuple([0]))) == (0,)
    tensor = torch.zeros(2)
    tensor.detach = lambda: torch.ones(2)  # type: ignore[method-assign]
    assert torch.equal(decode(encode(tensor)), torch.zeros(2))


def test_tuples_in_tuples_end_somewhere() -> None:
    value: object = ()
    for _ in range(31):
        value = (value,)
    assert decode(encode(value)) == value
    with pytest.raises(UnsendableError, match="cannot send tuples"):
        encode((value,))
    nested = encode(value)
    for _ in range(2000):  # enough to end a process that decoded all of them
        nested = bytes(msgpack.packb(msgpack.ExtType(4, b"\x91" + nested)))
    with pytest.raises(WorkerProtocolError, match="tuples that lie in"):
        decode(nested)


def test_a_tensor_that_is_still_to_be_computed_is_refused() -> None:
    from torch._lazy import ts_backend

    ts_backend.init()
    with pytest.raises(UnsendableError, match="on lazy"):
        encode(torch.zeros(2).to("lazy") + 1)


class LazyTensor(torch.Tensor):
    """Would do its work only when somebody looks."""


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        torch.zeros(2).as_subclass(LazyTensor),
        np.array(["x"]),
        np.array([None]),
        torch.eye(2).to_sparse(),
        type("D", (dict,), {})(),
    ],
    ids=["object", "set", "tensor subclass", "strings", "objects", "sparse", "dict subclass"],
)
def test_what_has_no_place_in_a_frame_is_named(value: object) -> None:
    with pytest.raises(UnsendableError, match="cannot send"):
        encode({"x": [value]})


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        msgpack.packb([1, 2])[:-1],
        msgpack.packb([1]) + b"\x00",
        msgpack.packb(msgpack.ExtType(99, b"cos\nsystem\n")),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["int32", [2], b"123"]))),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["Tensor", [1], b"1"]))),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["int8", [-1], b""]))),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["int8", [1] * 99, b"1"]))),
        msgpack.packb(msgpack.ExtType(2, msgpack.packb(["|O", [1], b"12345678"]))),
        msgpack.packb(msgpack.ExtType(2, msgpack.packb(["<i4", [2**40, 2**40], b""]))),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["int32", [0, 2**31, 2**31, 2**31], b""]))),
        msgpack.packb(msgpack.ExtType(1, b"junk")),
        msgpack.packb(msgpack.ExtType(4, msgpack.packb({"no": "list"}))),
        msgpack.packb({(1): 2}).replace(b"\x01", b"\x91\x01"),
        b"\x91" * 5000 + b"\x90",
    ],
)
def test_bytes_that_are_no_tree_are_refused(payload: bytes) -> None:
    with pytest.raises(WorkerProtocolError):
        decode(payload)


def test_random_and_damaged_bytes_never_do_anything_but_decode_or_be_refused() -> None:
    rng = random.Random(5)
    good = encode({"t": torch.arange(5), "a": np.arange(3.0), "x": (1, [2**90])})
    for _ in range(3000):
        if rng.random() < 0.5:
            payload = rng.randbytes(rng.randrange(60))
        else:
            damaged = bytearray(good)
            for _ in range(rng.randrange(1, 4)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            payload = bytes(damaged)
        with contextlib.suppress(WorkerProtocolError):
            decode(payload)


def test_a_small_frame_of_a_great_many_values_is_refused() -> None:
    count = 3_000_000
    bomb = b"\xdd" + struct.pack(">I", count) + b"\x90" * count
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(WorkerProtocolError, match="MemoryError"), within_memory(16 * count):
        decode(bomb)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    honest = {"rows": [[1.5, 300, True]] * 100_000, "x": torch.zeros(1 << 20)}
    with within_memory(decoding_bytes(len(encode(honest))) - (1 << 30)):
        assert len(decode(encode(honest))["rows"]) == 100_000


@pytest.fixture
def ends() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def test_a_channel_carries_large_frames(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = ends
    with here, there:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        tensor = torch.arange(40_000)
        Channel(here).send(tensor)
        assert torch.equal(Channel(there).receive(5.0), tensor)


def test_a_channel_refuses_oversized_frames_before_reading_them(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = ends
    with here, there:
        there.sendall(struct.pack(">Q", 1 << 60))
        with pytest.raises(WorkerProtocolError, match="more than"):
            Channel(here).receive(5.0)


def test_a_channel_refuses_two_replies_to_one_request(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = ends
    with here, there:
        there.sendall((struct.pack(">Q", 1) + b"\x01") * 2)
        with pytest.raises(WorkerProtocolError, match="nobody asked for"):
            Channel(here).receive(5.0)


def test_a_channel_does_not_wait_for_ever(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = ends
    with here, there:
        there.sendall(struct.pack(">Q", 10) + b"half")
        with pytest.raises(TimeoutError):
            Channel(here).receive(0.05)
        there.close()
        with pytest.raises(EOFError):
            Channel(here).receive(1.0)
