"""Runs the API: its port, its one thread, its end."""

import logging
import socket
from collections.abc import Callable

import uvicorn

from stream.api.added_streams import AddedStreams
from stream.api.app import make_app
from stream.api.front_desk import FrontDesk
from stream.api.guard import checked_token, known_hosts
from stream.errors import ConfigError
from stream.fleet.daemon import Daemon
from stream.site_file.site_model import LOOPBACKS, ApiSettings, within
from stream.site_file.tls_files import load_certificate, server_context
from stream.worker import start_thread

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 256
BACKLOG = 64
CLOSE_SECONDS = 1
"""What requests under way have at the end."""
JOIN_SECONDS = 3.0
REMEDY = "whoever listens reads the token and the pictures: give api.tls, or bind to 127.0.0.1"


class ApiServer:
    """Listens from its making, answers from `start`, until `close`; used by the daemon's thread."""

    def __init__(self, daemon: Daemon, wish: ApiSettings) -> None:
        """Takes the port.

        Raises:
            ConfigError: if it is taken, the token missing or no token, the certificate none, or the
                file of added streams holds something else.
            SinkError: if that file cannot be written.
        """
        token = None if wish.token is None else checked_token(wish.token.read(daemon.folder))
        tls = None if wish.tls is None else server_context(wish.tls, daemon.folder)
        self._socket = _listen(wish.bind, wish.port)
        self._wish, self._folder, self._tls = wish, daemon.folder, tls
        kept_in = None if wish.added_streams is None else within(daemon.folder, wish.added_streams)
        self._desk = FrontDesk(daemon, AddedStreams(kept_in), self._stop_answering)
        app = make_app(self._desk, token, known_hosts(wish.bind))
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="on",
                log_config=None,
                log_level=logging.WARNING,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            )
        )
        self._server.config.load()
        self._server.config.ssl = tls
        daemon.after_reload = self._read_certificate_again
        self._join: Callable[[float], None] | None = None
        """Waits for the thread; None before there is one."""
        self._is_closing = False

    @property
    def address(self) -> str:
        """Where the page is."""
        port, bind = self._socket.getsockname()[1], self._wish.bind
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{f'[{bind}]' if ':' in bind else bind}:{port}/"

    def start(self) -> None:
        """Begins to answer, unless it does so already.

        Only when the fleet turns: before, nobody would answer its questions.
        """
        if self._join is None:
            if self._tls is None and self._wish.bind not in LOOPBACKS:
                log.warning("api_unencrypted", extra={"bind": self._wish.bind, "remedy": REMEDY})
            self._join = start_thread("api", self._run).join

    def close(self) -> None:
        """Ends what is under way, and the thread; a second call does nothing."""
        self._stop_answering()
        self._desk.end()
        if self._join is not None:
            self._join(JOIN_SECONDS)
        self._socket.close()

    def _read_certificate_again(self) -> None:
        """For connections from now on; certificates run out sooner than daemons."""
        if self._tls is None or self._wish.tls is None:
            return
        try:
            load_certificate(self._tls, self._wish.tls, self._folder)
        except ConfigError as error:
            log.error("certificate_refused", extra={"cause": str(error)})  # noqa: TRY400 - a fault of the user's, not of ours

    def _stop_answering(self) -> None:
        self._is_closing = self._server.should_exit = True

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
        if not self._is_closing:
            log.error("api_ended")


def _listen(bind: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    try:
        listener = socket.create_server((bind, port), family=family, backlog=BACKLOG)
        # Connections inherit it. Without, head and body of an answer go out 40 ms apart.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"api.port {port} on {bind}: cannot be used: {error}; choose another one from 1 to "
            "65535, or 0 for any that is free"
        ) from error
    return listener
