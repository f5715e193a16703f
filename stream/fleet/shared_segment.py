"""A decoder's memory as the supervisor keeps account of it: which slots are whose."""

import os

from stream.fleet.messages import ReturnSlot, SegmentMade
from stream.fleet.segment import SegmentError, SegmentView
from stream.fleet.supervised_process import SupervisedProcess


class SharedSegment:
    """Slots are the decoder's until it gives them away, and again from `give_back` on."""

    def __init__(self, number: int, made: SegmentMade, fd: int, owner: SupervisedProcess) -> None:
        """Maps the memory and keeps a descriptor of its own, for engines that start later.

        Raises:
            SegmentError: if the memory is not what the decoder says.
        """
        self.number = number
        self.made = made
        self.view = SegmentView(fd, made.slots, made.slot_bytes)
        self.fd = os.dup(fd)
        self._owner = owner
        self._out: set[int] = set()
        self._is_retired = False

    def take(self, slot: int) -> None:
        """The decoder gave a slot away.

        Raises:
            SegmentError: if there is no such slot, or it was not the decoder's to give.
        """
        if slot in self._out or not 0 <= slot < self.made.slots:
            raise SegmentError(f"slot {slot} of {self.made.stream} was not the decoder's to give")
        self._out.add(slot)

    def give_back(self, slot: int) -> None:
        """The slot is the decoder's again."""
        self._out.remove(slot)
        if not self._is_retired:
            self._owner.send(ReturnSlot(segment=self.made.segment, slot=slot))

    def retire(self) -> None:
        """No more frames will come in it."""
        self._is_retired = True

    @property
    def is_over(self) -> bool:
        """Nobody needs it any more: `close` it."""
        return self._is_retired and not self._out

    def close(self) -> None:
        """Closes the descriptor; views that are still held stay valid."""
        os.close(self.fd)
