from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.camera.rtsp_message import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Interleaved,
    Malformed,
    Message,
    MessageReader,
    Request,
    Response,
)

DESCRIBE = b"DESCRIBE rtsp://h/cam0 RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n\r\n"
SET = b"SET_PARAMETER rtsp://h/cam0 RTSP/1.0\r\ncseq:3\r\nContent-Length: 4\r\n\r\nA: 1"
REPORT = b"$\x01\x00\x03abc"
ALL = DESCRIBE + REPORT + SET + REPORT


def read(*parts: bytes) -> list[Message]:
    reader = MessageReader()
    return [message for part in parts for message in reader.feed(part)]


def test_requests_and_interleaved_packets_are_told_apart() -> None:
    describe, first, setting, second = read(ALL)
    headers = {"cseq": "2", "accept": "application/sdp"}
    assert describe == Request("DESCRIBE", "rtsp://h/cam0", "RTSP/1.0", headers)
    assert isinstance(setting, Request)
    assert setting.headers["cseq"] == "3"
    assert first == second == Interleaved(1)


@given(st.lists(st.integers(0, len(ALL))))
def test_it_does_not_matter_how_the_bytes_arrive(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(ALL)]
    parts = [ALL[start:end] for start, end in pairwise(edges)]
    assert read(*parts) == read(ALL)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes_are_read_without_an_error(parts: list[bytes]) -> None:
    messages = read(*parts)
    assert all(isinstance(message, Message) for message in messages)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"DESCRIBE  RTSP/1.0\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
        b"DESCRIBE * RTSP/1.0\r\nno colon\r\n\r\n",
        b"DESCRIBE * RTSP/1.0\r\nContent-Length: -1\r\n\r\n",
        b"DESCRIBE * RTSP/1.0\r\nContent-Length: \xc2\xb2\r\n\r\n",
        b"DESCRIBE * RTSP/1.0\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
        b"D" * (MAX_HEAD_BYTES + 1),
    ],
)
def test_what_is_no_request_is_malformed(sent: bytes) -> None:
    messages = read(sent)
    assert [type(message) for message in messages] == [Malformed]


def test_a_response_repeats_the_number_of_its_request_and_counts_its_body() -> None:
    response = Response(200, (("Content-Type", "application/sdp"),), "s=a\r\n")
    assert response.encoded("7") == (
        b"RTSP/1.0 200 OK\r\nCSeq: 7\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\n"
        b"s=a\r\n"
    )
