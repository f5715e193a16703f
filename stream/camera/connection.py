"""One client of the camera, from its first byte to its last."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress

from stream.camera.carrier import Carrier, TcpCarrier, UdpPorts
from stream.camera.digest import DigestGuard
from stream.camera.mount import Feed
from stream.camera.player import play
from stream.camera.rtp_packets import RtpIdentity
from stream.camera.rtsp_message import Interleaved, Message, MessageReader
from stream.camera.session import Action, Answer, Outside, RtspSession, SessionNumbers
from stream.camera.settings import CameraSettings
from stream.camera.transport_header import TcpTransport, UdpTransport
from stream.clock import Clock

log = logging.getLogger(__name__)

READ_BYTES = 65536
CLOSE_SECONDS = 1.0
"""A client may take so long to read the last response."""


class Connection:
    """Reads requests, writes responses, and plays."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        next_feed: Callable[[str], Feed | None],
        settings: CameraSettings,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._next_feed = next_feed
        self._clock = clock
        self._feeds: dict[str, Feed] = {}
        self._ports = UdpPorts(lambda: self._session.heard(clock.monotonic()))
        self._player: asyncio.Task[None] | None = None
        self._numbers = _random_numbers()
        self._session = RtspSession(
            Outside(self._find_feed, lambda: self._ports.open(self._own_host)),
            DigestGuard(settings.login, secrets.token_hex(16)),
            self._numbers,
            settings,
            clock.monotonic(),
        )

    async def run(self) -> None:
        """Until the client leaves, is gone, or a fault ends it; then nothing of it is left."""
        try:
            with suppress(ConnectionError):
                await self._serve()
        finally:
            try:
                await self._stop_playing()
            finally:
                await self._close()

    async def _serve(self) -> None:
        """Reads until the end of the connection or of the feed."""
        messages = MessageReader()
        while received := await self._receive():
            for message in messages.feed(received):
                if await self._follow(message) is Action.CLOSE:
                    return

    async def _receive(self) -> bytes:
        """The next bytes of the client; none if it left, is gone, or the feed has ended."""
        while (patience := self._patience()) is None or patience > 0:
            with suppress(TimeoutError):  # it may have been heard over UDP meanwhile
                return await asyncio.wait_for(self._reader.read(READ_BYTES), patience)
        log.info("client_is_silent", extra={"client": self._peer_host})
        return b""

    def _patience(self) -> float | None:
        """Seconds that the client may still be silent."""
        deadline = self._session.deadline
        return None if deadline is None else max(0.0, deadline - self._clock.monotonic())

    async def _follow(self, message: Message) -> Action:
        now = self._clock.monotonic()
        if isinstance(message, Interleaved):
            self._session.heard(now)
            return Action.NONE
        answer = self._session.answer(message, now)
        cseq = getattr(message, "headers", {}).get("cseq", "0")
        self._write(answer, cseq)
        if answer.action is Action.PLAY:
            await self._start_playing()
        elif answer.action is Action.STOP:
            await self._stop_playing()
        return answer.action

    def _write(self, answer: Answer, cseq: str) -> None:
        if answer.response is not None:
            self._writer.write(answer.response.encoded(cseq))

    async def _start_playing(self) -> None:
        feed = self._session.feed
        if feed is None:
            return
        carrier = await self._carrier()
        log.info("client_plays", extra={"mount": feed.mount, "client": self._peer_host})
        self._player = asyncio.create_task(play(feed, self._numbers.rtp, carrier, self._clock))
        self._player.add_done_callback(self._hang_up)

    def _hang_up(self, player: asyncio.Task[None]) -> None:
        """Ends the connection with the feed."""
        if not player.cancelled():
            self._writer.transport.abort()

    async def _carrier(self) -> Carrier:
        transport = self._session.transport
        if isinstance(transport, UdpTransport):
            # Only ever to the machine that asks: nobody can turn the camera against another one.
            return await self._ports.carrier(self._peer_host, transport)
        return TcpCarrier(self._writer, transport or TcpTransport())

    async def _stop_playing(self) -> None:
        player, self._player = self._player, None
        if player is not None:
            player.cancel()
            with suppress(asyncio.CancelledError):
                await player
            log.info("client_left", extra={"client": self._peer_host})
        self._ports.close()

    async def _close(self) -> None:
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), CLOSE_SECONDS)
        except (TimeoutError, ConnectionError):
            self._writer.transport.abort()

    def _find_feed(self, mount: str) -> Feed | None:
        if mount not in self._feeds:
            feed = self._next_feed(mount)
            if feed is None:
                return None
            self._feeds[mount] = feed
        return self._feeds[mount]

    @property
    def _peer_host(self) -> str:
        return str(self._writer.get_extra_info("peername")[0])

    @property
    def _own_host(self) -> str:
        return str(self._writer.get_extra_info("sockname")[0])


def _random_numbers() -> SessionNumbers:
    # The timestamp stays below 2^31, so that the first wrap is hours away, as with most cameras.
    identity = RtpIdentity(secrets.randbits(32), secrets.randbits(16), secrets.randbits(31))
    return SessionNumbers(secrets.token_hex(8), identity)
