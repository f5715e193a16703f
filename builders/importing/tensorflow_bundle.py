"""Reads TensorFlow checkpoints (`NAME.index` and `NAME.data-…`) without TensorFlow.

The index is a sorted string table as in LevelDB (`table_format.md` there): key to
`BundleEntryProto` (tensorflow/core/protobuf/tensor_bundle.proto); the tensors' bytes lie one after
the other in the data files. TensorFlow writes the index uncompressed.
"""

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.importing.crc32c import crc32c, unmasked
from stream.errors import ArtefactError

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
TRAILER_BYTES = 5
"""After each block: the kind of compression, and the masked remainder of both."""
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""Of types.proto; others (strings, flags) are no weights and are not listed."""


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """Where a tensor lies."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc32c: int


def read_bundle(prefix: Path, keep: Callable[[str], bool]) -> dict[str, NDArray[np.generic]]:
    """Numeric tensors of a checkpoint by name.

    Args:
        prefix: the path up to `.index`, such as `snapshot_140.ckpt`.
        keep: whether a tensor of that name is to be read.

    Raises:
        ArtefactError: if a file is missing, cut short, altered, or of another format.
    """
    index = _read(prefix.with_name(f"{prefix.name}.index"))
    try:
        entries = dict(_table_entries(index))
        header = _fields(entries.pop(b"", b""))
        found = {key.decode(): _bundle_entry(value) for key, value in entries.items()}
    except (IndexError, ValueError, struct.error) as error:
        raise ArtefactError(
            f"{prefix}.index is no index of a TensorFlow checkpoint, or damaged: {error}"
        ) from error
    shards = int(header.get(1, 1))
    wanted = {n: entry for n, entry in found.items() if entry.dtype in DTYPES and keep(n)}
    return {
        name: _tensor(shard_path(prefix, entry.shard, shards), name, entry)
        for name, entry in wanted.items()
    }


def shard_path(prefix: Path, shard: int, count: int) -> Path:
    """The data file number `shard` of `count`."""
    return prefix.with_name(f"{prefix.name}.data-{shard:05}-of-{count:05}")


def _read(path: Path, offset: int = 0, size: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise ArtefactError(
            f"{path}: {error.strerror}; a TensorFlow checkpoint is NAME.index and all of its "
            "NAME.data-… files in one folder"
        ) from error


def _tensor(path: Path, name: str, entry: BundleEntry) -> NDArray[np.generic]:
    dtype = np.dtype(DTYPES[entry.dtype])
    raw = _read(path, entry.offset, entry.size)
    expected = math.prod(entry.shape) * dtype.itemsize
    if len(raw) != expected or crc32c(raw) != unmasked(entry.crc32c):
        raise ArtefactError(
            f"{path}: the bytes of {name} are cut short or altered ({len(raw)} of {expected}); "
            "fetch the checkpoint again"
        )
    return np.frombuffer(raw, dtype).reshape(entry.shape)


def _table_entries(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of every entry, in order."""
    if len(text) < FOOTER_BYTES or struct.unpack("<Q", text[-8:]) != (MAGIC,):
        raise ValueError("the last 8 bytes are not those of a table")
    position = len(text) - FOOTER_BYTES
    for _ in range(2):  # the handle of the metaindex, which bundles do not use
        _, position = _varint(text, position)
    for _, handle in _block_entries(_block(text, position)):
        yield from _block_entries(_block(text, 0, handle))


def _block(text: bytes, position: int, handle: bytes | None = None) -> bytes:
    """The block that the handle (or the one at `position`) names."""
    source = text if handle is None else handle
    offset, position = _varint(source, position)
    size, _ = _varint(source, position)
    kind, stored = struct.unpack_from("<BI", text, offset + size)
    if kind != 0:
        raise ValueError("its blocks are compressed, which TensorFlow does not do")
    if crc32c(text[offset : offset + size + 1]) != unmasked(stored):
        raise ValueError(f"the block at byte {offset} does not have its checksum")
    return text[offset : offset + size]


def _block_entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    (restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 * (restarts + 1)
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        own, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + own]
        position += own
        yield key, block[position : position + length]
        position += length


def _varint(text: bytes, position: int) -> tuple[int, int]:
    """Seven bits a byte, lowest first; the value and the position after it."""
    value = shift = 0
    while True:
        byte = text[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _bundle_entry(text: bytes) -> BundleEntry:
    fields = _fields(text)
    if 7 in fields:
        raise ValueError("a tensor is stored in slices, which is not supported")
    shape = fields.get(2, b"")
    return BundleEntry(
        dtype=int(fields.get(1, 0)),
        shape=tuple(_dimensions(shape if isinstance(shape, bytes) else b"")),
        shard=int(fields.get(3, 0)),
        offset=int(fields.get(4, 0)),
        size=int(fields.get(5, 0)),
        crc32c=int(fields.get(6, 0)),
    )


def _dimensions(text: bytes) -> Iterator[int]:
    """The sizes of a `TensorShapeProto`."""
    for number, value in _messages(text):
        if number == 2 and isinstance(value, bytes):
            yield int(_fields(value).get(1, 0))


def _fields(text: bytes) -> dict[int, int | bytes]:
    """Number to value of a protocol buffer, the last of each number."""
    return dict(_messages(text))


def _messages(text: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(text):
        tag, position = _varint(text, position)
        value, position = _field(text, position, tag & 7)
        yield tag >> 3, value


def _field(text: bytes, position: int, kind: int) -> tuple[int | bytes, int]:
    if kind == 0:
        return _varint(text, position)
    if kind == 2:
        length, position = _varint(text, position)
        return text[position : position + length], position + length
    if kind == 5:
        return int.from_bytes(text[position : position + 4], "little"), position + 4
    raise ValueError(f"a field of wire type {kind}")
