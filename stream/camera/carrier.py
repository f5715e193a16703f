"""Ways for packets to a client: within its RTSP connection, or beside it over UDP."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from stream.camera.transport_header import TcpTransport, UdpTransport

PORT_TRIES = 50
BURST_PACKETS = 32
BURST_PAUSE_SECONDS = 0.001
"""A key frame goes out in bursts, so that it fits into a client's usual buffer of 208 KiB."""


class Carrier(Protocol):
    """Where a player puts its packets."""

    @property
    def backlog_bytes(self) -> int:
        """What the client has not taken yet."""
        ...

    async def send_rtp(self, packets: Sequence[bytes]) -> None:
        """Sends the packets of one access unit; does not wait for the client."""
        ...

    def send_rtcp(self, packet: bytes) -> None:
        """Sends one report."""
        ...


class TcpCarrier:
    """Interleaves packets with the responses (RFC 2326, 10.12)."""

    def __init__(self, writer: asyncio.StreamWriter, transport: TcpTransport) -> None:
        self._writer = writer
        self._channels = transport

    @property
    def backlog_bytes(self) -> int:
        """See `Carrier.backlog_bytes`."""
        return self._writer.transport.get_write_buffer_size()

    async def send_rtp(self, packets: Sequence[bytes]) -> None:
        """See `Carrier.send_rtp`."""
        framed = [_framed(self._channels.rtp, packet) for packet in packets]
        self._writer.write(b"".join(framed))

    def send_rtcp(self, packet: bytes) -> None:
        """See `Carrier.send_rtcp`."""
        self._writer.write(_framed(self._channels.rtcp, packet))


class UdpCarrier:
    """Two sockets beside the connection; packets that nobody takes are lost, as on a network."""

    backlog_bytes = 0

    def __init__(self, rtp: asyncio.DatagramTransport, rtcp: asyncio.DatagramTransport) -> None:
        self._rtp = rtp
        self._rtcp = rtcp

    async def send_rtp(self, packets: Sequence[bytes]) -> None:
        """See `Carrier.send_rtp`; pauses within large pictures."""
        for start in range(0, len(packets), BURST_PACKETS):
            if start:
                await asyncio.sleep(BURST_PAUSE_SECONDS)
            for packet in packets[start : start + BURST_PACKETS]:
                self._rtp.sendto(packet)

    def send_rtcp(self, packet: bytes) -> None:
        """See `Carrier.send_rtcp`."""
        self._rtcp.sendto(packet)


class UdpPorts:
    """The two sockets of a connection, and their end."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._sockets: tuple[socket.socket, ...] = ()
        self._transports: list[asyncio.DatagramTransport] = []

    def open(self, host: str) -> tuple[int, int]:
        """Binds an even port and the next one (RFC 3550, section 11) at this address.

        Raises:
            OSError: if no such pair is free.
        """
        self.close()
        self._sockets = _bound_pair(host)
        rtp, rtcp = (int(one.getsockname()[1]) for one in self._sockets)
        return rtp, rtcp

    async def carrier(self, host: str, ports: UdpTransport) -> UdpCarrier:
        """Sends to these ports of the client from now on, and listens to its reports."""
        for one, port in zip(self._sockets, (ports.rtp, ports.rtcp), strict=True):
            one.connect((host, port))
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Listener(self._heard), sock=one
            )
            self._transports.append(transport)
        return UdpCarrier(*self._transports)

    def close(self) -> None:
        """Frees the ports; safe to call twice."""
        for transport in self._transports:
            transport.abort()
        for one in self._sockets:
            one.close()
        self._sockets, self._transports = (), []


class _Listener(asyncio.DatagramProtocol):
    """Whatever the client sends is a sign of life; that it refuses packets is none of an error."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._heard()


def _framed(channel: int, packet: bytes) -> bytes:
    return b"$" + bytes([channel]) + len(packet).to_bytes(2) + packet


def _bound_pair(host: str) -> tuple[socket.socket, socket.socket]:
    for _ in range(PORT_TRIES):
        first = _bound(host, 0)
        port = first.getsockname()[1]
        if port % 2 == 0 and port < 65535:
            try:
                return first, _bound(host, port + 1)
            except OSError:
                pass  # somebody else has the second one: try another pair
        first.close()
    raise OSError(f"no two neighbouring UDP ports are free at {host}")


def _bound(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)  # noqa: FBT003 - no other way to say it
    try:
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
