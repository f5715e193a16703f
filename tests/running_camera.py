"""A camera that runs beside a test, and a client that speaks RTSP to it byte by byte."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from urllib.parse import quote, urlsplit

from stream.camera.digest import Login
from stream.camera.faults import Switch, parse_fault
from stream.camera.mount import make_mounts
from stream.camera.read_clip import read_clip
from stream.camera.server import Camera, run_camera
from stream.camera.settings import CameraSettings
from stream.camera.transport_header import Offered
from stream.clock import SystemClock
from stream.pipeline import StopRequest

WAIT_SECONDS = 20.0
"""Long enough for a busy machine; reached only if a test fails."""


@contextmanager
def running_camera(
    files: Sequence[Path],
    *faults: str,
    login: Login | None = None,
    offered: Offered = Offered.ANY,
    session_timeout_seconds: float = 60.0,
) -> Iterator[list[str]]:
    """Serves the files on a free port of this machine; gives the address of each."""
    parsed = [parse_fault(fault) for fault in faults]
    others = {fault.to: read_clip(fault.to) for fault in parsed if isinstance(fault, Switch)}
    mounts = make_mounts([read_clip(file) for file in files], parsed, others)
    settings = CameraSettings(
        port=0, login=login, offered=offered, session_timeout_seconds=session_timeout_seconds
    )
    stop, addresses = StopRequest(), Queue[list[str]]()
    camera = Camera(mounts, settings, SystemClock())
    thread = Thread(target=run_camera, args=(camera, stop, addresses.put), name="camera")
    thread.start()
    try:
        yield addresses.get(timeout=WAIT_SECONDS)
    finally:
        stop.request()
        thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def with_login(address: str, login: Login) -> str:
    """The address as a reader takes it."""
    user, password = (quote(part, safe="") for part in (login.user, login.password))
    return address.replace("rtsp://", f"rtsp://{user}:{password}@")


class RtspClient:
    """One connection to a camera."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        assert parts.port is not None
        self.address = address
        self._socket = socket.create_connection(("127.0.0.1", parts.port), WAIT_SECONDS)
        self._file = self._socket.makefile("rb")
        self._sent = 0

    def __enter__(self) -> "RtspClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, content: bytes) -> None:
        """Any bytes."""
        self._socket.sendall(content)

    def ask(self, method: str, **headers: str) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer; what is not about this request is left out."""
        self._sent += 1
        told = {"CSeq": str(self._sent), **headers}
        lines = [f"{method} {self.address} RTSP/1.0"]
        lines += [f"{name}: {value}" for name, value in told.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())
        return self.answer()

    def answer(self) -> tuple[int, dict[str, str]]:
        """The next answer; its body is read and left out."""
        first = self._file.readline().decode()
        fields = iter(lambda: self._file.readline().decode().strip(), "")
        headers = {name: value for name, _, value in (field.partition(": ") for field in fields)}
        self._file.read(int(headers.get("Content-Length", 0)))
        return int(first.split(" ")[1]), headers

    def play(self, transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1") -> None:
        """Sets up and plays."""
        status, headers = self.ask("SETUP", Transport=transport)
        assert status == 200
        status, _ = self.ask("PLAY", Session=headers["Session"].partition(";")[0])
        assert status == 200

    def packet(self) -> tuple[int, bytes] | None:
        """Channel and content of the next interleaved packet; None if the connection is closed."""
        try:
            head = self._file.read(4)
        except ConnectionResetError:
            return None
        if len(head) < 4:
            return None
        assert head[:1] == b"$"
        return head[1], self._file.read(int.from_bytes(head[2:]))
