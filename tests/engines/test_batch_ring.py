"""Who may use which buffer when: batches through slots that tell of any misuse."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.batch_ring import Arrays, BatchRing, DirectSlot, Passage
from engines.engine import Tensors
from stream.errors import EngineError

SIZES = (1, 4)


class Device:
    """What happens on all slots, in order."""

    def __init__(self) -> None:
        self.under_way: list[int] = []
        self.most = 0


class WatchedSlot:
    """Gives back the number that it was given; fails at the numbers it is told."""

    def __init__(self, device: Device, fails_to_start: set[int], fails: set[int]) -> None:
        self._device, self._fails_to_start, self._fails = device, fails_to_start, fails
        self._number: int | None = None
        self._buffer = np.zeros(1, np.int64)

    def start(self, inputs: Arrays) -> None:
        assert self._number is None, "the slot is taken"
        number = int(inputs["number"][0])
        if number in self._fails_to_start:
            raise EngineError(f"{number} cannot begin")
        self._number = number
        self._buffer[:] = -1
        self._device.under_way.append(number)
        self._device.most = max(self._device.most, len(self._device.under_way))

    def finish(self) -> Tensors:
        number, self._number = self._number, None
        assert number is not None, "nothing is under way here"
        assert self._device.under_way.pop(0) == number, "out of order"
        if number in self._fails:
            raise EngineError(f"{number} failed")
        self._buffer[:] = number
        return {"number": self._buffer}


def keep(into: dict[int, int], number: int, outputs: Tensors) -> None:
    into[number] = int(outputs["number"][0])


@settings(max_examples=60, deadline=None)
@given(
    depth=st.integers(1, 4),
    sizes=st.lists(st.sampled_from(SIZES), max_size=20),
    fails_to_start=st.sets(st.integers(0, 19), max_size=4),
    fails=st.sets(st.integers(0, 19), max_size=4),
    asked=st.lists(st.integers(0, 19), max_size=30),
)
def test_every_batch_gets_its_own_result_or_error_and_no_slot_is_used_twice(
    depth: int, sizes: list[int], fails_to_start: set[int], fails: set[int], asked: list[int]
) -> None:
    device, kept = Device(), dict[int, int]()
    ring = BatchRing(
        {size: [WatchedSlot(device, fails_to_start, fails) for _ in range(depth)] for size in SIZES}
    )
    passages: list[Passage] = []

    def ask(number: int) -> None:
        if number in fails_to_start | fails:
            with pytest.raises(EngineError, match=rf"^{number} "):
                ring.wait(passages[number])
            assert number not in kept
        else:
            ring.wait(passages[number])
            assert kept[number] == number

    wishes = iter(asked)
    for number, size in enumerate(sizes):
        inputs: Arrays = {"number": np.array([number])}
        passages.append(ring.send(size, inputs, partial(keep, kept, number)))
        inputs["number"][:] = 99  # the caller may
        if (wish := next(wishes, 20)) < len(passages):
            ask(wish)
    assert device.most <= depth
    ring.close()
    assert device.under_way == []
    for number in range(len(sizes)):
        ask(number)


def test_where_nothing_overlaps_a_batch_is_over_when_it_was_sent() -> None:
    ran: list[int] = []

    def run(inputs: Arrays) -> Tensors:
        ran.append(int(inputs["number"][0]))
        return inputs

    ring = BatchRing({1: [DirectSlot(run)]})
    assert ring.depth == 1
    kept = dict[int, int]()
    first = ring.send(1, {"number": np.array([5])}, partial(keep, kept, 5))
    assert ran == [5]
    ring.wait(first)
    assert kept == {5: 5}


def test_what_cannot_be_kept_is_the_error_of_that_batch() -> None:
    def refuse(_outputs: Tensors) -> None:
        raise EngineError("another shape")

    ring = BatchRing({1: [DirectSlot(lambda inputs: inputs) for _ in range(2)]})
    kept = dict[int, int]()
    keepers: list[Callable[[Tensors], None]] = [refuse, partial(keep, kept, 1)]
    bad, good = [ring.send(1, {"number": np.array([1])}, keeper) for keeper in keepers]
    ring.wait(good)
    with pytest.raises(EngineError, match="another shape"):
        ring.wait(bad)


def test_the_fewest_slots_of_any_size_bound_what_is_under_way() -> None:
    slots = [DirectSlot(lambda inputs: inputs) for _ in range(3)]
    assert BatchRing({1: slots, 8: slots[:2]}).depth == 2
