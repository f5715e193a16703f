"""RTP packets and RTCP sender reports of one picture stream (RFC 3550)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

CLOCK_RATE = 90_000
"""Ticks a second of the RTP clock of every video format."""
PAYLOAD_TYPE = 96
"""The first dynamic one (RFC 3551)."""
NTP_EPOCH = 2_208_988_800
"""Seconds from 1900, where NTP counts from, to 1970 (RFC 3550, section 4)."""
_VERSION = 0x80
_MARKER = 0x80
_SENDER_REPORT, _SOURCE_DESCRIPTION, _CNAME = 200, 202, 1


@dataclass(frozen=True, slots=True)
class RtpIdentity:
    """Random starting values of a stream (RFC 3550, 5.1)."""

    ssrc: int
    first_sequence: int
    first_timestamp: int


class RtpSender:
    """Numbers the packets of one stream and keeps count for its reports."""

    def __init__(self, identity: RtpIdentity) -> None:
        self._identity = identity
        self._sequence = identity.first_sequence
        self._packets = 0
        self._octets = 0

    def packets(self, payloads: Sequence[bytes | None], media_seconds: float) -> list[bytes]:
        """The packets of one access unit; the last one carries the marker.

        Args:
            payloads: None stands for a packet that is lost on its way: numbered, but not returned.
            media_seconds: presentation time on the media clock; 0 is `first_timestamp`.
        """
        timestamp = self._timestamp(media_seconds)
        last = len(payloads) - 1
        made = [
            self._packet(payload, timestamp, _MARKER if place == last else 0)
            for place, payload in enumerate(payloads)
        ]
        return [packet for packet in made if packet is not None]

    def report(self, media_seconds: float, wall_seconds: float) -> bytes:
        """Sender report and CNAME, one compound packet (RFC 3550, 6.4.1 and 6.5).

        Args:
            media_seconds: what the media clock shows at this moment.
            wall_seconds: Unix time of this moment.
        """
        ssrc = self._identity.ssrc
        ntp = round((wall_seconds + NTP_EPOCH) * 2**32) & (2**64 - 1)
        counts = (self._packets & 0xFFFFFFFF, self._octets & 0xFFFFFFFF)
        timestamp = self._timestamp(media_seconds)
        report = struct.pack(
            "!BBHIQIII", _VERSION, _SENDER_REPORT, 6, ssrc, ntp, timestamp, *counts
        )
        return report + _cname(ssrc)

    def _packet(self, payload: bytes | None, timestamp: int, marker: int) -> bytes | None:
        sequence, self._sequence = self._sequence, (self._sequence + 1) & 0xFFFF
        if payload is None:
            return None
        self._packets += 1
        self._octets += len(payload)
        ssrc = self._identity.ssrc
        head = struct.pack("!BBHII", _VERSION, marker | PAYLOAD_TYPE, sequence, timestamp, ssrc)
        return head + payload

    def _timestamp(self, media_seconds: float) -> int:
        return (self._identity.first_timestamp + round(media_seconds * CLOCK_RATE)) & 0xFFFFFFFF


def _cname(ssrc: int) -> bytes:
    """Source description with the one item that is required."""
    name = f"{ssrc:08x}@posestream".encode("ascii")
    item = bytes([_CNAME, len(name)]) + name
    # At least one zero ends the list, and then zeros up to a multiple of four bytes.
    item += bytes(4 - len(item) % 4)
    words = 1 + len(item) // 4
    return struct.pack("!BBHI", _VERSION | 1, _SOURCE_DESCRIPTION, words, ssrc) + item
