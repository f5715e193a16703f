"""Network sources against real servers on this machine: our RTSP camera, and HTTP.

Every fault of a camera: `tests/stream/camera/test_our_reader.py`.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stream.camera.digest import Login
from stream.clock import SystemClock
from stream.errors import SourceError
from stream.frame import Frame
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.open_source import MAX_PIXELS, open_source
from stream.ingest.pyav_source import PyavSource
from stream.ingest.source import Source
from stream.ingest.source_url import parse_source_url
from stream.ingest.video_address import url_address
from tests.free_ports import free_port
from tests.media import Clips
from tests.reading import numbers, times
from tests.running_camera import running_camera

pytestmark = pytest.mark.slow

LOGIN = Login("ada lovelace", "a/b?c#d@e:f%20")
FRAMES = 30
QUICK_SECONDS = 0.5


@pytest.fixture(params=["h264", "hevc"])
def clip(request: pytest.FixtureRequest, clips: Clips) -> Path:
    encoder = {"h264": "libx264", "hevc": "libx265"}[request.param]
    return clips.get(f"live_{request.param}.mp4", encoder, b_frames=0)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def http_address(clips: Clips) -> Iterator[str]:
    folder = clips.get("plain.mp4").parent
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def opened(address: str) -> Source:
    return open_source(address, stream="cam", clock=SystemClock())


def read(address: str, count: int) -> list[Frame]:
    with closing(opened(address)) as source:
        return list(islice(source.frames(), count))


def test_a_camera_is_read_without_a_gap(clip: Path) -> None:
    with running_camera([clip]) as [address]:
        frames = read(address, 45)

    first = numbers(frames)[0]
    assert numbers(frames) == [(first + index) % FRAMES for index in range(45)]
    assert [frame.index for frame in frames] == list(range(45))
    assert times(frames) == pytest.approx([index / 25 for index in range(45)], abs=0.002)


def test_a_login_is_understood_as_people_write_it(clip: Path) -> None:
    with running_camera([clip], login=LOGIN) as [address]:
        login = f"{LOGIN.user}:a/b?c#d@e:f%2520@"
        assert read(address.replace("rtsp://", f"rtsp://{login}"), 3)


def test_a_closed_port_is_named() -> None:
    with pytest.raises(SourceError, match="connection was refused; check host and port"):
        opened(f"rtsp://127.0.0.1:{free_port()}/cam")


def test_a_host_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"rtsp://nobody\.invalid/cam: cannot open"):
        opened("rtsp://nobody.invalid/cam")


def opened_impatiently(address: str) -> Source:
    """Silence is noticed after a second instead of ten."""
    impatient = replace(
        url_address(parse_source_url(address)),
        open_seconds=QUICK_SECONDS,
        read_seconds=QUICK_SECONDS,
    )
    return PyavSource(
        impatient,
        stream="cam",
        clock=SystemClock(),
        decode=DecodeOptions(thread_count=1),
        max_pixels=MAX_PIXELS,
    )


def test_a_camera_that_falls_silent_is_given_up(clip: Path) -> None:
    with (
        running_camera([clip], "stall:at=0.4,seconds=60") as [address],
        closing(opened_impatiently(address)) as source,
        pytest.raises(SourceError, match="no answer in time; check that the camera is on"),
    ):
        list(source.frames())


def test_a_file_on_a_web_server_ends_in_good_order(http_address: str) -> None:
    with closing(opened(f"{http_address}/plain.mp4")) as source:
        assert source.description.is_live
        assert numbers(list(source.frames())) == list(range(FRAMES))


def test_a_missing_file_on_a_web_server_is_named(http_address: str) -> None:
    with pytest.raises(SourceError, match="nothing is at that path"):
        opened(f"{http_address}/none.mp4")
