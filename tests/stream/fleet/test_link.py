import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.fleet.link import HEAD, Link, LinkError, new_line
from stream.fleet.messages import Alive, CloseStream, Message, PeopleFound, Stop, StreamOrder


def line() -> tuple[Link, Link]:
    ours, theirs = new_line()
    return ours, Link(theirs)


def transfer(messages: list[tuple[Message, bytes]]) -> list[tuple[Message, bytes]]:
    ours, theirs = line()
    for message, tail in messages:
        ours.send(message, tail)
    got: list[tuple[Message, bytes]] = []
    while len(got) < len(messages):
        ours.flush()
        got += [(parcel.message, parcel.tail) for parcel in theirs.receive()]
    ours.close()
    theirs.close()
    return got


MESSAGES = st.one_of(
    st.just(Alive()),
    st.builds(CloseStream, stream=st.text(max_size=20), run=st.integers(0, 9)),
    st.builds(
        PeopleFound,
        batch=st.integers(0, 9),
        people=st.lists(st.integers(0, 9)).map(tuple),
        joints=st.just(17),
        stages=st.just((("infer", 0.5),)),
    ),
)


@given(st.lists(st.tuples(MESSAGES, st.binary(max_size=50)), max_size=20))
def test_messages_arrive_whole_and_in_order(messages: list[tuple[Message, bytes]]) -> None:
    assert transfer(messages) == messages


def test_a_large_parcel_is_sent_bit_by_bit() -> None:
    tail = bytes(4 << 20)
    assert transfer([(Stop(), tail), (Alive(), b"end")]) == [(Stop(), tail), (Alive(), b"end")]


def test_descriptors_come_with_their_message() -> None:
    ours, theirs = line()
    pipes = [os.pipe() for _ in range(3)]
    for number, (_, write_end) in enumerate(pipes):
        ours.send(CloseStream(stream="s", run=number), fds=(write_end,) if number != 1 else ())
    parcels = theirs.receive()
    assert [len(parcel.fds) for parcel in parcels] == [1, 0, 1]
    os.write(parcels[2].fds[0], b"third")
    assert os.read(pipes[2][0], 9) == b"third"
    for fd in [fd for pipe in pipes for fd in pipe] + [*parcels[0].fds, *parcels[2].fds]:
        os.close(fd)
    ours.close()
    theirs.close()


def test_what_came_before_the_end_is_still_read() -> None:
    ours, theirs = line()
    ours.send(Alive())
    ours.close()
    assert [parcel.message for parcel in theirs.receive()] == [Alive()]
    with pytest.raises(LinkError, match="closed the line"):
        theirs.receive()
    theirs.close()


def test_a_process_that_does_not_listen_is_an_error_and_no_wait() -> None:
    ours, theirs = line()
    for _ in range(7):
        ours.send(Stop(), bytes(1 << 20))
    with pytest.raises(LinkError, match="does not listen"):
        ours.send(Stop(), bytes(2 << 20))
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        HEAD.pack(5, 0, 0) + b"hello",
        HEAD.pack(1 << 30, 0, 0),
        HEAD.pack(16, 0, 0) + b'{"kind":"gues"} ',
        HEAD.pack(40, 0, 0) + b'{"kind":"close","stream":"s","run":"x" }',
    ],
)
def test_nonsense_is_an_error_that_repeats_nothing(nonsense: bytes) -> None:
    ours, theirs = new_line()
    theirs.sendall(nonsense)
    with pytest.raises(LinkError) as raised:
        ours.receive()
    assert "hello" not in str(raised.value)
    ours.close()
    theirs.close()


def test_the_address_is_not_in_the_repr_of_an_order() -> None:
    order = StreamOrder(
        stream="s", run=0, first_epoch=0, address="rtsp://joe:hunter2@h", shown="rtsp://***@h",
        protocols="", is_live=True, format=None, options=(), open_seconds=1, read_seconds=1,
        max_fps=None, phase=0, max_pixels=1,
    )  # fmt: skip
    assert "hunter2" not in repr(order)
    assert transfer([(order, b"")]) == [(order, b"")]
