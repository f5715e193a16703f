"""A bounded line between two threads, with a stated policy for when it is full."""

from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Generic, TypeVar

from stream.errors import ConfigError

Item = TypeVar("Item")


class Channel(Generic[Item]):
    """Items in order, from one thread that puts to one that gets.

    Full means the putter waits (files: nothing is lost). With `overtake` it never waits (live
    streams): the oldest of `capacity` + 1 items is exchanged for `overtake(item)`, which keeps its
    place in line but should weigh almost nothing.
    """

    def __init__(self, capacity: int, overtake: Callable[[Item], Item] | None = None) -> None:
        if capacity < 1:
            raise ConfigError(f"a channel's capacity must be 1 or more, got {capacity}")
        self._capacity = capacity
        self._overtake = overtake
        self._items: deque[Item] = deque()
        self._closed = False
        self._changed = Condition()

    @property
    def capacity(self) -> int:
        """How many items may wait, or with `overtake`, keep their weight."""
        return self._capacity

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> bool:
        """Adds an item; False if the channel was closed and the item not taken."""
        with self._changed:
            if self._overtake is None:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                return False
            self._items.append(item)
            self._exchange_overtaken()
            self._changed.notify_all()
            return True

    def _exchange_overtaken(self) -> None:
        # One item crosses the capacity at each put, so every overtaken item is exchanged once.
        if self._overtake is not None and len(self._items) > self._capacity:
            place = len(self._items) - self._capacity - 1
            self._items[place] = self._overtake(self._items[place])

    def get(self, timeout_seconds: float | None = None) -> Item | None:
        """The oldest item; None once closed and empty, or when the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout_seconds)
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    @property
    def ended(self) -> bool:
        """Closed and empty: no item will come."""
        with self._changed:
            return self._closed and not self._items

    def close(self) -> None:
        """No more items are taken; those inside can still be got. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """Closes and empties the channel: the other side is gone."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
