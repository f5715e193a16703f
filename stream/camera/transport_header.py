"""How packets are to reach the client: the Transport header (RFC 2326, 12.39)."""

import re
from dataclasses import dataclass
from enum import StrEnum

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
MAX_CHANNEL = 255
MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class TcpTransport:
    """Within the RTSP connection, on two of its channels."""

    rtp: int = 0
    rtcp: int = 1

    def header(self, ssrc: int) -> str:
        """What the client is told."""
        return f"RTP/AVP/TCP;unicast;interleaved={self.rtp}-{self.rtcp};ssrc={ssrc:08X}"


@dataclass(frozen=True, slots=True)
class UdpTransport:
    """To two ports of the client's machine."""

    rtp: int
    rtcp: int

    def header(self, ssrc: int, server_ports: tuple[int, int]) -> str:
        """What the client is told."""
        return (
            f"RTP/AVP;unicast;client_port={self.rtp}-{self.rtcp};"
            f"server_port={server_ports[0]}-{server_ports[1]};ssrc={ssrc:08X}"
        )


Transport = TcpTransport | UdpTransport


class Offered(StrEnum):
    """Which ways a camera has."""

    ANY = "any"
    TCP = "tcp"
    UDP = "udp"

    def includes(self, transport: Transport) -> bool:
        """Whether the camera has this way."""
        own = Offered.TCP if isinstance(transport, TcpTransport) else Offered.UDP
        return self in (Offered.ANY, own)


def choose_transport(header: str, offered: Offered = Offered.ANY) -> Transport | None:
    """The first of the client's wishes that can be met; None if there is none."""
    wishes = (_transport(wish) for wish in header.split(","))
    return next((wish for wish in wishes if wish is not None and offered.includes(wish)), None)


def _transport(wish: str) -> Transport | None:
    protocol, *parameters = (part.strip() for part in wish.split(";"))
    values = dict(part.partition("=")[::2] for part in parameters)
    if "multicast" in values:
        return None
    if protocol.upper() == "RTP/AVP/TCP":
        channels = _pair(values.get("interleaved", "0-1"), 0, MAX_CHANNEL)
        return TcpTransport(*channels) if channels else None
    if protocol.upper() in {"RTP/AVP", "RTP/AVP/UDP"}:
        ports = _pair(values.get("client_port", ""), 1, MAX_PORT)
        return UdpTransport(*ports) if ports else None
    return None


def _pair(text: str, least: int, most: int) -> tuple[int, int] | None:
    """Two numbers; the second is the next one if it is left out."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    first = int(match[1])
    second = int(match[2] or first + 1)
    return (first, second) if least <= first < second <= most else None
