"""Listens, and gives every client a connection; runs in the calling thread."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from stream.camera.connection import Connection
from stream.camera.mount import Feed, Mount
from stream.camera.settings import CameraSettings
from stream.clock import Clock
from stream.errors import ConfigError
from stream.pipeline import StopRequest

POLL_SECONDS = 0.05
"""How often the server looks for a stop request."""


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """Everything that is served."""

    mounts: tuple[Mount, ...]
    settings: CameraSettings
    clock: Clock

    def addresses(self, port: int) -> list[str]:
        """Where the mounts are, if the server listens at this port; without the login."""
        host = self.settings.host
        shown = f"[{host}]" if ":" in host else host
        return [f"rtsp://{shown}:{port}/{mount.name}" for mount in self.mounts]


def run_camera(camera: Camera, stop: StopRequest, ready: Callable[[list[str]], None]) -> None:
    """Serves until a stop is asked for; then every connection is closed.

    Args:
        camera: what to serve.
        stop: looked at all the time.
        ready: told the addresses as soon as they can be opened.

    Raises:
        ConfigError: if the port cannot be used.
    """
    asyncio.run(_serve(camera, stop, ready))


async def _serve(camera: Camera, stop: StopRequest, ready: Callable[[list[str]], None]) -> None:
    clients = _Clients(camera)
    listener = await _listen(camera.settings, clients)
    try:
        ready(camera.addresses(listener.sockets[0].getsockname()[1]))
        while not stop.requested:
            await asyncio.sleep(POLL_SECONDS)
    finally:
        listener.close()
        await clients.close()


async def _listen(settings: CameraSettings, clients: "_Clients") -> asyncio.Server:
    try:
        return await asyncio.start_server(clients.welcome, settings.host, settings.port)
    except OSError as error:
        raise ConfigError(
            f"the camera cannot listen at {settings.host} port {settings.port}: "
            f"{error.strerror}; choose another --port, or 0 for any free one"
        ) from error


class _Clients:
    """The connections that are open, and how many each mount has seen."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._mounts = {mount.name: mount for mount in camera.mounts}
        self._seen: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one more client, beside the others."""
        camera = self._camera
        connection = Connection(reader, writer, self._next_feed, camera.settings, camera.clock)
        task = asyncio.create_task(connection.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ends all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _next_feed(self, name: str) -> Feed | None:
        mount = self._mounts.get(name)
        if mount is None:
            return None
        self._seen[name] += 1
        return mount.feed(self._seen[name] - 1, self._camera.settings.seed)
