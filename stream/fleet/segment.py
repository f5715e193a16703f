"""Pictures in memory that processes share, without a name anywhere.

A decoder makes a `Segment` of some slots (an anonymous file, `memfd_create(2)`), writes a picture
into a free slot and tells which one; from then on the slot belongs to the supervisor, until it
gives it back. Every writing has a generation of its own, which stands before the picture: a reader
that finds another one than it was told holds a slot that is not its own any more.

The memory is gone when the last process that maps it is: nothing can be left behind. Its size is
sealed, so that no process can make another one stumble by cutting it short.
"""

import fcntl
import mmap
import os
import struct

import numpy as np

from stream.errors import PoseStreamError
from stream.picture import ColourSpace, Picture, Plane

HEAD = struct.Struct("<Q")
ALIGNMENT = 64
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class SegmentError(PoseStreamError, RuntimeError):
    """Shared memory is not what it was said to be."""


def picture_bytes(width: int, height: int) -> int:
    """What a picture takes in a slot, its planes one after another."""
    return width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)


class Segment:
    """The decoder's side: owns the memory, writes into it."""

    def __init__(self, slots: int, capacity_bytes: int) -> None:
        """Room for `slots` pictures of `capacity_bytes` each."""
        used = HEAD.size + capacity_bytes
        self.slot_bytes = (used + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        self.slots = slots
        self.fd = os.memfd_create("frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, slots * self.slot_bytes)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, _SEALS)
        self._memory = mmap.mmap(self.fd, slots * self.slot_bytes)

    def holds(self, picture: Picture) -> bool:
        """Whether a picture fits into a slot."""
        return HEAD.size + picture_bytes(picture.width, picture.height) <= self.slot_bytes

    def write(self, slot: int, generation: int, picture: Picture) -> None:
        """Copies a picture into a slot that is free."""
        start = slot * self.slot_bytes
        # First the number: who still reads the slot finds that it is not its own any more.
        HEAD.pack_into(self._memory, start, generation)
        offset = start + HEAD.size
        for plane in (picture.y, picture.u, picture.v):
            target = np.frombuffer(self._memory, np.uint8, plane.size, offset)
            np.copyto(target.reshape(plane.shape), plane)
            offset += plane.size

    def close_fd(self) -> None:
        """The memory stays, the descriptor goes: it was handed on."""
        os.close(self.fd)


class SegmentView:
    """A reader's side: maps the memory of another process; pictures in it are views."""

    def __init__(self, fd: int, slots: int, slot_bytes: int) -> None:
        """Maps the memory; the descriptor stays the caller's.

        Raises:
            SegmentError: if it is not sealed or smaller than it was said to be.
        """
        size = slots * slot_bytes
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS != _SEALS or os.fstat(fd).st_size != size:
            raise SegmentError(f"shared memory must be sealed and have {size} bytes")
        self._slots, self._slot_bytes = slots, slot_bytes
        self._memory = mmap.mmap(fd, size, prot=mmap.PROT_READ)

    def generation(self, slot: int) -> int:
        """Which writing is in a slot."""
        found: int = HEAD.unpack_from(self._memory, slot * self._slot_bytes)[0]
        return found

    def picture(
        self, slot: int, size: tuple[int, int], space: ColourSpace, *, full_range: bool
    ) -> Picture:
        """The picture of (width, height) in a slot; a view, valid until the slot is given back.

        Raises:
            SegmentError: if there is no such slot, or it is too small for such a picture.
        """
        width, height = size
        room = self._slot_bytes - HEAD.size
        if not 0 <= slot < self._slots or min(size) < 1 or picture_bytes(width, height) > room:
            raise SegmentError(f"no picture of {width}x{height} in slot {slot} of {self._slots}")
        half = (height + 1) // 2, (width + 1) // 2
        offset = slot * self._slot_bytes + HEAD.size
        planes: list[Plane] = []
        for shape in ((height, width), half, half):
            count = shape[0] * shape[1]
            planes.append(np.frombuffer(self._memory, np.uint8, count, offset).reshape(shape))
            offset += count
        y, u, v = planes
        return Picture(y, u, v, space, full_range)
