"""Writes TensorFlow checkpoints, from LevelDB's table format and tensor_bundle.proto alone.

Entries share prefixes with the one before, blocks are small, so that there are several.
"""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Crc = Callable[[bytes], int]
BLOCK_ENTRIES = 7
RESTART_INTERVAL = 3
NUMBERS = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}


def slow_crc32c(text: bytes) -> int:
    """Bit by bit, as the standard defines it."""
    remainder = 0xFFFFFFFF
    for byte in text:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0x82F63B78 if remainder & 1 else 0)
    return remainder ^ 0xFFFFFFFF


def write_bundle(
    prefix: Path,
    tensors: Mapping[str, NDArray[np.generic]],
    crc: Crc = slow_crc32c,
    shards: int = 1,
) -> None:
    entries = {b"": _number(1, shards) + _message(3, _number(1, 1))}
    data = [bytearray() for _ in range(shards)]
    for index, name in enumerate(sorted(tensors)):
        array, shard = np.asarray(tensors[name]), index % shards
        raw = array.tobytes()
        entries[name.encode()] = _entry(array, shard, len(data[shard]), _masked(crc(raw)))
        data[shard] += raw
    for shard, contents in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05}-of-{shards:05}").write_bytes(contents)
    prefix.with_name(f"{prefix.name}.index").write_bytes(_table(entries, crc))


def _entry(array: NDArray[np.generic], shard: int, offset: int, masked: int) -> bytes:
    shape = b"".join(_message(2, _number(1, side)) for side in array.shape)
    numbers = _number(3, shard) + _number(4, offset) + _number(5, array.nbytes)
    kind = _number(1, NUMBERS[array.dtype.name])
    return kind + _message(2, shape) + numbers + struct.pack("<BI", 6 << 3 | 5, masked)


def _table(entries: Mapping[bytes, bytes], crc: Crc) -> bytes:
    out, index = bytearray(), {}
    keys = sorted(entries)
    for start in range(0, len(keys), BLOCK_ENTRIES):
        part = keys[start : start + BLOCK_ENTRIES]
        index[part[-1]] = _append(out, _block([(key, entries[key]) for key in part]), crc)
    meta = _append(out, _block([]), crc)
    footer = meta + _append(out, _block(sorted(index.items())), crc)
    return bytes(out + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57))


def _append(out: bytearray, block: bytes, crc: Crc) -> bytes:
    """Appends a block with its trailer; its handle."""
    handle = _varint(len(out)) + _varint(len(block))
    out += block + b"\0" + struct.pack("<I", _masked(crc(block + b"\0")))
    return handle


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    out, restarts, before = bytearray(), [0], b""
    for index, (key, value) in enumerate(entries):
        shared = 0
        if index % RESTART_INTERVAL:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        elif index:
            restarts.append(len(out))
        out += _varint(shared) + _varint(len(key) - shared) + _varint(len(value))
        out += key[shared:] + value
        before = key
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, contents: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(contents)) + contents


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])
