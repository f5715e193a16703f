"""The camera as FFmpeg's own libraries see it: what our reader hides or does another way."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path

import av
import pytest
from av.container import InputContainer
from av.video.frame import VideoFrame

from stream.camera.digest import Login
from tests.running_camera import running_camera, with_login

pytestmark = pytest.mark.slow

TRANSPORTS = ["tcp", "udp"]
LOGIN = Login("ada lovelace", "a/b?c#d@e:f%20")
QUICK = {"fpsprobesize": "0", "probesize": "32768"}
OPEN_SECONDS, READ_SECONDS = 5.0, 5.0
FRAME_SECONDS = 0.04


@contextmanager
def opened(
    address: str, transport: str = "tcp", read_seconds: float = READ_SECONDS
) -> Iterator[InputContainer]:
    options = QUICK | {"rtsp_transport": transport}
    with av.open(address, options=options, timeout=(OPEN_SECONDS, read_seconds)) as container:
        container.streams.video[0].thread_type = "NONE"
        yield container


def frames(container: InputContainer, count: int | None = None) -> list[VideoFrame]:
    return list(islice(container.decode(video=0), count))


def steps(decoded: list[VideoFrame]) -> list[float]:
    """Seconds from each frame to the next."""
    times = [frame.time for frame in decoded if frame.time is not None]
    assert len(times) >= len(decoded) - 1, "only the first frame may lack its time"
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", ["h264", "h265"])
def test_every_frame_of_two_rounds_arrives_whole_and_in_time(
    videos: dict[str, Path], name: str, transport: str
) -> None:
    with running_camera([videos[name]]) as [address], opened(address, transport) as container:
        decoded = frames(container, 30)

    assert {(frame.width, frame.height) for frame in decoded} == {(160, 120)}
    assert steps(decoded) == pytest.approx([FRAME_SECONDS] * len(steps(decoded)))
    assert not any(frame.is_corrupt for frame in decoded)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_right_login_is_let_in(videos: dict[str, Path], transport: str) -> None:
    with (
        running_camera([videos["h264"]], login=LOGIN) as [address],
        opened(with_login(address, LOGIN), transport) as container,
    ):
        assert len(frames(container, 3)) == 3


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_reader_that_shows_signs_of_life_is_kept(videos: dict[str, Path], transport: str) -> None:
    """libav asks for its session every half of the time-out, and reports over UDP besides."""
    camera = running_camera([videos["h264"]], session_timeout_seconds=0.6)
    with camera as [address], opened(address, transport) as container:
        assert len(frames(container, 40)) == 40


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_disconnect_is_a_clean_end(videos: dict[str, Path], transport: str) -> None:
    with (
        running_camera([videos["h264"]], "disconnect:at=0.6") as [address],
        opened(address, transport) as container,
    ):
        assert 10 <= len(frames(container)) <= 15


def test_a_stall_longer_than_the_reader_waits_is_a_timeout(videos: dict[str, Path]) -> None:
    with (
        running_camera([videos["h264"]], "stall:at=0.4,seconds=60") as [address],
        opened(address, read_seconds=0.3) as container,
        pytest.raises(av.error.ExitError),
    ):
        frames(container)


def test_a_half_open_camera_is_a_timeout(videos: dict[str, Path]) -> None:
    with running_camera([videos["h264"]], "half-open") as [address]:
        options = QUICK | {"rtsp_transport": "tcp"}
        with pytest.raises((av.error.InvalidDataError, av.error.ExitError, TimeoutError)):
            av.open(address, options=options, timeout=(0.5, 0.5))


def test_wrong_auth_sends_the_right_login_away_for_as_many_connections_as_told(
    videos: dict[str, Path],
) -> None:
    with running_camera([videos["h264"]], "wrong-auth:first=1", login=LOGIN) as [address]:
        own = with_login(address, LOGIN)
        with pytest.raises(av.error.HTTPUnauthorizedError), opened(own):
            pass
        with opened(own) as container:
            assert len(frames(container, 3)) == 3


@pytest.mark.parametrize("fault", ["damage:share=0.5,at=0.1", "drop:share=0.2,at=0.1"])
def test_damage_and_losses_reach_the_decoder(videos: dict[str, Path], fault: str) -> None:
    with running_camera([videos["h264"]], fault) as [address], opened(address) as container:
        bad = 0
        for packet in islice(container.demux(video=0), 40):
            try:
                bad += sum(frame.is_corrupt for frame in packet.decode())
            except av.error.InvalidDataError:
                bad += 1
    assert bad >= 3


def test_a_fault_of_one_mount_leaves_the_others_alone(videos: dict[str, Path]) -> None:
    fault = "disconnect:at=0.1,on=cam0"
    with (
        running_camera([videos["h264"]] * 2, fault) as [faulty, sound],
        opened(sound) as container,
        opened(faulty) as broken,
    ):
        assert len(frames(broken)) < 6
        assert max(steps(frames(container, 30))) == pytest.approx(FRAME_SECONDS)
