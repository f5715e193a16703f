"""What all mounts of a camera share."""

from dataclasses import dataclass

from stream.camera.digest import Login
from stream.camera.transport_header import Offered


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Where the camera listens, and how it treats its clients."""

    host: str = "127.0.0.1"
    port: int = 8554
    """0 takes any free one."""
    login: Login | None = None
    """None lets everybody in."""
    seed: int = 0
    """The same seed gives the same faults."""
    offered: Offered = Offered.ANY
    """Which ways for packets its clients may choose from."""
    session_timeout_seconds: float = 60.0
    """A client that is not heard of for so long is gone."""
