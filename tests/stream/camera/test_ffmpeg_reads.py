"""The camera as Debian's ffmpeg and ffprobe see it: other builds than the one within PyAV."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from stream.camera.digest import Login
from tests.conftest import missing
from tests.running_camera import WAIT_SECONDS, running_camera, with_login

pytestmark = pytest.mark.slow

LOGIN = Login("ada", "a/b@c:d")
FRAMES = 20
"""One round; what comes after it would have other times."""


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(f"no {name}: apt-get install ffmpeg")
    return str(found)


def output(*words: str) -> str:
    done = subprocess.run(
        words, capture_output=True, check=True, text=True, timeout=WAIT_SECONDS + 20
    )
    assert done.stderr == ""
    return done.stdout


def checksums(*source: str) -> list[str]:
    """Of the first decoded frames."""
    words = (program("ffmpeg"), "-v", "error", *source, "-frames:v", str(FRAMES))
    lines = output(*words, "-fps_mode", "passthrough", "-f", "framemd5", "-").splitlines()
    return [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("name", ["h264", "h265"])
def test_ffmpeg_decodes_the_very_frames_of_the_file(
    videos: dict[str, Path], name: str, transport: str
) -> None:
    with running_camera([videos[name]], login=LOGIN) as [address]:
        seen = checksums("-rtsp_transport", transport, "-i", with_login(address, LOGIN))
    assert seen == checksums("-i", str(videos[name]))
    assert len(seen) == FRAMES


@pytest.mark.parametrize(("name", "codec"), [("h264", "h264"), ("h265", "hevc")])
def test_ffprobe_tells_codec_size_and_rate(videos: dict[str, Path], name: str, codec: str) -> None:
    wanted = "stream=codec_name,width,height,avg_frame_rate"
    with running_camera([videos[name]]) as [address]:
        words = (program("ffprobe"), "-v", "error", "-rtsp_transport", "tcp", "-of", "json")
        told = json.loads(output(*words, "-show_entries", wanted, address))
    [stream] = told["streams"]
    assert stream == {
        "codec_name": codec,
        "width": 160,
        "height": 120,
        "avg_frame_rate": "25/1",
    }
