import asyncio
import json

import pytest

from stream.api.broadcast import MAX_LISTENERS, MAX_WAITING, Broadcast, sse_message
from stream.api.problem import ProblemError


async def heard(broadcast: Broadcast, tellings: int) -> list[bytes]:
    """What a listener gets who only begins to read when all is said."""
    listening = broadcast.listen({"first": {"n": 0}})
    for number in range(tellings):
        broadcast.tell("more", {"n": number})
    broadcast.end()
    return [message async for message in listening]


def test_a_listener_hears_the_first_words_and_all_that_follow() -> None:
    messages = asyncio.run(heard(Broadcast(), 3))
    assert messages[0].endswith(b'event: first\ndata: {"n":0}\n\n')
    assert [json.loads(message.split(b"data: ")[1])["n"] for message in messages[1:]] == [0, 1, 2]


def test_a_listener_that_is_too_slow_is_let_go() -> None:
    messages = asyncio.run(heard(Broadcast(), 10 * MAX_WAITING))
    assert len(messages) == MAX_WAITING


def test_too_many_listeners_are_refused() -> None:
    async def listen() -> None:
        broadcast = Broadcast()
        for _ in range(MAX_LISTENERS):
            broadcast.listen({})
        with pytest.raises(ProblemError):
            broadcast.listen({})

    asyncio.run(listen())


def test_after_the_end_nobody_is_kept_waiting() -> None:
    async def listen() -> list[bytes]:
        broadcast = Broadcast()
        broadcast.end()
        return [message async for message in broadcast.listen({})]

    assert len(asyncio.run(listen())) == 1


def test_a_message_is_one_line_of_data() -> None:
    assert sse_message("x", {"words": "a\nb\u2028"}).count(b"\n") == 3
