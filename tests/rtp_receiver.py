"""The other end of RTP, written from the standards for tests: packets in, access units out."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from stream.camera.nal_units import VideoCodec


@dataclass(frozen=True)
class RtpPacket:
    """RFC 3550, 5.1; no extension, no padding, no contributing sources."""

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(packet: bytes) -> RtpPacket:
    first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
    assert first == 0x80
    return RtpPacket(second >= 128, second & 127, sequence, timestamp, ssrc, packet[12:])


def parse_sender_report(packet: bytes) -> tuple[int, float, int, int, int]:
    """(ssrc, NTP seconds, timestamp, packets, octets) of a compound packet's first part."""
    first, kind, words, ssrc, ntp, *numbers = struct.unpack_from("!BBHIQIII", packet)
    assert (first, kind, words) == (0x80, 200, 6)
    return ssrc, ntp / 2**32, *numbers


def units_of(codec: VideoCodec, payloads: Iterable[bytes]) -> list[bytes]:
    """NAL units put together again (RFC 6184, 5.6 and 5.8; RFC 7798, 4.4.1 and 4.4.3)."""
    units: list[bytes] = []
    open_unit: bytes | None = None
    for payload in payloads:
        start, end, header, body = _fragment(codec, payload)
        if header is None:
            assert open_unit is None
            units.append(payload)
            continue
        assert start is (open_unit is None)
        assert not (start and end), "a fragment may not be both the first and the last"
        open_unit = header + body if open_unit is None else open_unit + body
        if end:
            units.append(open_unit)
            open_unit = None
    assert open_unit is None
    return units


def _fragment(codec: VideoCodec, payload: bytes) -> tuple[bool, bool, bytes | None, bytes]:
    """Whether it starts and ends a unit, the unit's header, the content; no header: no fragment."""
    if codec is VideoCodec.H264:
        if payload[0] & 0x1F != 28:
            return True, True, None, payload
        mark, body = payload[1], payload[2:]
        header = bytes([payload[0] & 0xE0 | mark & 0x1F])
    else:
        if payload[0] >> 1 & 0x3F != 49:
            return True, True, None, payload
        mark, body = payload[2], payload[3:]
        header = bytes([payload[0] & 0x81 | (mark & 0x3F) << 1, payload[1]])
    return bool(mark & 0x80), bool(mark & 0x40), header, body


def access_units(packets: Iterable[RtpPacket]) -> Iterator[list[RtpPacket]]:
    """Packets that belong to one picture: they share their time."""
    for _, group in groupby(packets, lambda packet: packet.timestamp):
        yield list(group)
