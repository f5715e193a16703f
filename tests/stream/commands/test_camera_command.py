"""`posestream camera` as users run it; what it serves is in `tests/stream/camera`."""

import signal
import socket
import subprocess
from pathlib import Path

import av
import pytest

from tests.coded_clips import write_coded_clip
from tests.command_line import TIMEOUT_SECONDS, assert_one_line_error, posestream, running

pytestmark = pytest.mark.slow

LOGIN = "ada:s/e:c@ret"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coded_clip(tmp_path_factory.mktemp("camera") / "walk.mp4")


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_addresses_serves_and_ends_in_good_order(
    number: int, video: Path, tmp_path: Path
) -> None:
    with running("camera", video, video, "--port", "0", cwd=tmp_path) as process:
        addresses = [first_line(process), first_line(process)]
        with av.open(addresses[1], options={"rtsp_transport": "tcp"}, timeout=5.0) as container:
            next(container.decode(video=0))
            process.send_signal(number)
            out, err = process.communicate(timeout=TIMEOUT_SECONDS)

    assert [address.rpartition("/")[2] for address in addresses] == ["cam0", "cam1"]
    assert process.returncode == 0
    assert out == ""
    assert "cam0: walk.mp4, H.264 160x120, 20 frames, 0.8 s" in err
    assert "client_plays" in err
    assert "Traceback" not in err


def test_the_login_is_asked_for_and_never_shown(video: Path, tmp_path: Path) -> None:
    words = ("camera", video, "--port", "0", "--auth", LOGIN)
    with running(*words, cwd=tmp_path) as process:
        address = first_line(process)
        with pytest.raises(av.error.HTTPUnauthorizedError):
            av.open(address, timeout=5.0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)

    assert "readers log in as ada" in err
    assert "s/e:c@ret" not in address + out + err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--fault", "dorp:share=1"], 2, ["no fault 'dorp'", "did you mean 'drop'"]),
        (["--fault", "stall:at=1"], 2, ["seconds: Field required"]),
        (["--fault", "half-open:on=cam1"], 2, ["no mount of that name", "cam0"]),
        (["--fault", "switch:to=missing.mp4"], 1, ["missing.mp4", "No such file"]),
        (["--auth", "ada"], 2, ["expected USER:PASSWORD"]),
        (["--host", "192.0.2.1"], 2, ["cannot listen at 192.0.2.1"]),
    ],
)
def test_what_cannot_be_served_is_one_line(
    options: list[str], code: int, words: list[str], video: Path, tmp_path: Path
) -> None:
    assert_one_line_error(posestream("camera", video, *options, cwd=tmp_path), code, *words)


def test_a_port_that_is_taken_is_one_line(video: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        finished = posestream("camera", video, "--port", port, cwd=tmp_path)
    assert_one_line_error(finished, 2, f"port {port}", "choose another --port")


def test_a_codec_that_cameras_do_not_send_is_one_line(tmp_path: Path) -> None:
    write_coded_clip(tmp_path / "old.mp4", "mpeg4")
    finished = posestream("camera", "old.mp4", cwd=tmp_path)
    assert_one_line_error(finished, 1, "mpeg4", "ffmpeg -i old.mp4 -an -c:v libx264")
