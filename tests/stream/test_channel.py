from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.channel import Channel
from stream.errors import ConfigError
from tests.run_parts import WAIT_SECONDS


@pytest.fixture
def other_thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def drained(channel: Channel[str]) -> list[str]:
    channel.close()
    items = []
    while (item := channel.get()) is not None:
        items.append(item)
    return items


def test_items_leave_in_the_order_they_came() -> None:
    channel: Channel[str] = Channel(3)

    assert all(channel.put(letter) for letter in "abc")

    assert drained(channel) == ["a", "b", "c"]


def test_a_full_channel_makes_the_putter_wait_for_a_get(other_thread: ThreadPoolExecutor) -> None:
    channel: Channel[str] = Channel(1)
    channel.put("a")
    waiting = other_thread.submit(channel.put, "b")

    assert channel.get() == "a"
    assert waiting.result(WAIT_SECONDS) is True
    assert channel.get() == "b"


def test_closing_releases_a_waiting_putter_whose_item_is_not_taken(
    other_thread: ThreadPoolExecutor,
) -> None:
    channel: Channel[str] = Channel(1)
    channel.put("a")
    waiting = other_thread.submit(channel.put, "b")

    channel.close()

    assert waiting.result(WAIT_SECONDS) is False
    assert drained(channel) == ["a"]


def test_closing_releases_a_waiting_getter(other_thread: ThreadPoolExecutor) -> None:
    channel: Channel[str] = Channel(1)
    waiting = other_thread.submit(channel.get)

    channel.close()

    assert waiting.result(WAIT_SECONDS) is None
    assert channel.ended


def test_a_get_with_a_timeout_gives_up_without_ending_the_channel() -> None:
    channel: Channel[str] = Channel(1)

    assert channel.get(0.0) is None
    assert not channel.ended


def test_cancelling_throws_away_what_is_inside() -> None:
    channel: Channel[str] = Channel(2)
    channel.put("a")

    channel.cancel()

    assert channel.ended
    assert channel.put("b") is False


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_an_overtaking_channel_keeps_every_item_and_at_most_its_capacity_fresh(
    capacity: int, puts: list[bool]
) -> None:
    channel: Channel[str] = Channel(capacity, overtake=str.upper)
    given_items: list[str] = []
    got: list[str] = []

    for is_put in puts:
        if is_put:
            given_items.append(chr(ord("a") + len(given_items) % 26))
            channel.put(given_items[-1])
        elif len(channel):
            got.append(channel.get() or "")
    rest = drained(channel)

    assert [item.lower() for item in got + rest] == given_items
    fresh = [item.islower() for item in rest]
    assert fresh == sorted(fresh), "overtaken items are the oldest"
    assert sum(fresh) <= capacity


def test_a_channel_without_room_is_refused() -> None:
    with pytest.raises(ConfigError, match="capacity must be 1 or more, got 0"):
        Channel(0)
