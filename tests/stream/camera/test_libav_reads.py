"""The camera as a reader built on FFmpeg's libraries sees it, well and with every fault."""

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


@pytest.mark.parametrize("login", [None, Login(LOGIN.user, "wrong"), Login("bob", LOGIN.password)])
def test_any_other_login_is_sent_away(videos: dict[str, Path], login: Login | None) -> None:
    with running_camera([videos["h264"]], login=LOGIN) as [address]:
        wrong = with_login(address, login) if login else address
        with pytest.raises(av.error.HTTPUnauthorizedError), opened(wrong):
            pass


def test_an_unknown_mount_is_not_found(videos: dict[str, Path]) -> None:
    with (
        running_camera([videos["h264"]]) as [address],
        pytest.raises(av.error.HTTPNotFoundError),
        opened(address.replace("cam0", "cam1")),
    ):
        pass


def test_each_mount_has_its_own_video(videos: dict[str, Path]) -> None:
    names = ["h264", "h265", "small_h264"]
    with running_camera([videos[name] for name in names]) as addresses:
        seen = []
        for address in addresses:
            with opened(address) as container:
                [frame] = frames(container, 1)
                name = container.streams.video[0].codec_context.name
                seen.append((name, frame.width))
    assert seen == [("h264", 160), ("hevc", 160), ("h264", 96)]


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


def test_a_short_stall_leaves_a_gap_in_the_times_and_no_broken_frame(
    videos: dict[str, Path],
) -> None:
    with (
        running_camera([videos["h264"]], "stall:at=0.4,seconds=0.5") as [address],
        opened(address) as container,
    ):
        decoded = frames(container, 30)
    gaps = sorted(steps(decoded))
    assert gaps[-1] == pytest.approx(0.5 + FRAME_SECONDS, abs=3 * FRAME_SECONDS)
    assert gaps[-3] < 3 * FRAME_SECONDS
    assert not any(frame.is_corrupt for frame in decoded)


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
        for packet in container.demux(video=0):
            try:
                bad += sum(frame.is_corrupt for frame in packet.decode())
            except av.error.InvalidDataError:
                bad += 1
            if bad >= 3:
                return


@pytest.mark.parametrize(
    ("seconds", "seen"),
    # libav takes times far before the first one for those of the next round of its 32-bit clock.
    [(3600, 3600), (-5, -5), (-3600, 2**32 / 90_000 - 3600)],
)
def test_a_jump_of_the_timestamps_is_seen(
    videos: dict[str, Path], seconds: float, seen: float
) -> None:
    with (
        running_camera([videos["h264"]], f"jump:at=0.4,seconds={seconds}") as [address],
        opened(address) as container,
    ):
        times = [
            float(packet.pts * packet.time_base)
            for packet in islice(container.demux(video=0), 25)
            if packet.pts is not None and packet.time_base is not None
        ]
    jumps = [later - earlier for earlier, later in pairwise(times)]
    assert any(jump == pytest.approx(seen, abs=1.0) for jump in jumps)


def test_another_size_comes_in_the_middle_of_a_stream(videos: dict[str, Path]) -> None:
    fault = f"switch:to={videos['small_h264']},at=0.4"
    with running_camera([videos["h264"]], fault) as [address], opened(address) as container:
        sizes = [(frame.width, frame.height) for frame in frames(container, 30)]
    assert list(dict.fromkeys(sizes)) == [(160, 120), (96, 64)]
    assert 8 <= sizes.count((160, 120)) <= 12


def test_another_codec_comes_with_the_next_connection(videos: dict[str, Path]) -> None:
    fault = f"switch:to={videos['h265']},at=0.4"
    with running_camera([videos["h264"]], fault) as [address]:
        with opened(address) as container:
            assert container.streams.video[0].codec_context.name == "h264"
            assert len(frames(container)) <= 12
        with opened(address) as container:
            assert container.streams.video[0].codec_context.name == "hevc"
            assert len(frames(container, 15)) == 15


def test_a_fault_of_one_mount_leaves_the_others_alone(videos: dict[str, Path]) -> None:
    fault = "disconnect:at=0.1,on=cam0"
    with (
        running_camera([videos["h264"]] * 2, fault) as [faulty, sound],
        opened(sound) as container,
        opened(faulty) as broken,
    ):
        assert len(frames(broken)) < 6
        assert max(steps(frames(container, 30))) == pytest.approx(FRAME_SECONDS)
