"""RTSP 1.0 messages (RFC 2326, sections 4 to 7 and 10.12): bytes in, values out, and back."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
VERSION = "RTSP/1.0"
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version not supported",
    551: "Option not supported",
}
_HEAD_END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(r"([A-Z_]+) (\S+) (RTSP/\d+\.\d+)")
_INTERLEAVED = b"$"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for; the body is not kept, for no method here needs it."""

    method: str
    uri: str
    version: str
    headers: Mapping[str, str]
    """Names in lower case; of a name that comes twice, the last."""


@dataclass(frozen=True, slots=True)
class Interleaved:
    """A packet that the client sent within the connection: its receiver reports."""

    channel: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """What the client sent is not RTSP; nothing after it can be understood."""

    reason: str


Message = Request | Interleaved | Malformed


@dataclass(frozen=True, slots=True)
class Response:
    """What the client is told."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def encoded(self, cseq: str) -> bytes:
        """The bytes, as the answer to the request of that number."""
        content = self.body.encode()
        lines = [f"{VERSION} {self.status} {REASONS[self.status]}", f"CSeq: {cseq}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if content:
            lines.append(f"Content-Length: {len(content)}")
        return "\r\n".join([*lines, "", ""]).encode() + content


class MessageReader:
    """Cuts what a client sends into messages; keeps the beginning of one until the rest comes."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, received: bytes) -> Iterator[Message]:
        """The messages that are complete now. After a malformed one nothing may be fed any more."""
        self._held += received
        while self._held:
            message, used = _first_message(self._held)
            if message is None:
                return
            self._held = self._held[used:]
            yield message
            if isinstance(message, Malformed):
                return


def _first_message(held: bytes) -> tuple[Message | None, int]:
    """The message that `held` starts with and its length; None if more is needed."""
    if held.startswith(_INTERLEAVED):
        return _first_interleaved(held)
    end = held.find(_HEAD_END)
    if max(end, len(held) if end < 0 else 0) > MAX_HEAD_BYTES:
        return Malformed(f"a head of more than {MAX_HEAD_BYTES} bytes"), 0
    if end < 0:
        return None, 0
    head = _head(held[:end])
    if isinstance(head, Malformed):
        return head, 0
    length = _content_length(head)
    if length is None:
        return Malformed("Content-Length is no number, or too large"), 0
    whole = end + len(_HEAD_END) + length
    return (head, whole) if len(held) >= whole else (None, 0)


def _first_interleaved(held: bytes) -> tuple[Message | None, int]:
    """RFC 2326, 10.12: $, channel, length in two bytes, packet."""
    whole = 4 + int.from_bytes(held[2:4])
    if len(held) < 4 or len(held) < whole:
        return None, 0
    return Interleaved(held[1]), whole


def _head(text: bytes) -> Request | Malformed:
    try:
        first, *lines = text.decode().split("\r\n")
    except UnicodeDecodeError:
        return Malformed("a head that is not UTF-8")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        return Malformed("the first line is no request")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            return Malformed("a header without a colon")
        headers[name.strip().lower()] = value.strip()
    return Request(match[1], match[2], match[3], headers)


def _content_length(request: Request) -> int | None:
    text = request.headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= MAX_BODY_BYTES):
        return None
    return int(text)
