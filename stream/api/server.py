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
from stream.site_file.site_model import ApiSettings, within
from stream.worker import start_thread

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 256
BACKLOG = 64
CLOSE_SECONDS = 1
"""What requests under way have at the end."""
JOIN_SECONDS = 3.0


class ApiServer:
    """Listens from its making, answers from `start`, until `close`; used by the daemon's thread."""

    def __init__(self, daemon: Daemon, wish: ApiSettings) -> None:
        """Takes the port.

        Raises:
            ConfigError: if it is taken, the token missing or no token, or the file of added streams
                holds something else.
            SinkError: if that file cannot be written.
        """
        token = None if wish.token is None else checked_token(wish.token.read(daemon.folder))
        self._socket = _listen(wish.bind, wish.port)
        self._bind = wish.bind
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
        self._join: Callable[[float], None] | None = None
        """Waits for the thread; None before there is one."""
        self._is_closing = False

    @property
    def address(self) -> str:
        """Where the page is."""
        port = self._socket.getsockname()[1]
        host = f"[{self._bind}]" if ":" in self._bind else self._bind
        return f"http://{host}:{port}/"

    def start(self) -> None:
        """Begins to answer, unless it does so already.

        Only when the fleet turns: before, nobody would answer its questions.
        """
        if self._join is None:
            self._join = start_thread("api", self._run).join

    def close(self) -> None:
        """Ends what is under way, and the thread; a second call does nothing."""
        self._stop_answering()
        self._desk.end()
        if self._join is not None:
            self._join(JOIN_SECONDS)
        self._socket.close()

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
