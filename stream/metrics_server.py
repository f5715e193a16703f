"""Serves a registry over HTTP for Prometheus to scrape; owns the one thread that answers."""

from prometheus_client import CollectorRegistry, start_http_server

from stream.errors import ConfigError

LOOPBACK = "127.0.0.1"


class MetricsServer:
    """Answers `GET /metrics` until closed."""

    def __init__(self, registry: CollectorRegistry, port: int, address: str = LOOPBACK) -> None:
        """Starts to listen; port 0 takes a free one. Only this machine can ask, by default.

        Raises:
            ConfigError: if the port is taken, is none, or the address is not of this machine.
        """
        try:
            self._server, self._thread = start_http_server(port, address, registry)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"metrics port {port} on {address}: cannot be used: {error}; choose another one "
                f"from 1 to 65535, or 0 for any that is free"
            ) from error

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stops listening and ends the thread; a second call does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
