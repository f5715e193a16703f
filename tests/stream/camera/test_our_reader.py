"""The camera as our own reader sees it, well and with every fault."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path
from urllib.parse import quote

import pytest

from stream.camera.digest import Login
from stream.camera.transport_header import Offered
from stream.clock import SystemClock
from stream.errors import SourceError
from stream.ingest.open_source import open_source
from stream.ingest.source import Source
from tests.command_line import running
from tests.running_camera import running_camera, with_login

pytestmark = pytest.mark.slow

LOGIN = Login("ada lovelace", "a/b?c#d@e:f%20")


@contextmanager
def opened(address: str) -> Iterator[Source]:
    source = open_source(address, stream="cam", clock=SystemClock())
    try:
        yield source
    finally:
        source.close()


@pytest.mark.parametrize("offered", [Offered.TCP, Offered.UDP])
@pytest.mark.parametrize(("name", "codec"), [("h264", "h264"), ("h265", "hevc")])
def test_two_rounds_are_one_epoch_with_rising_times(
    videos: dict[str, Path], name: str, codec: str, offered: Offered
) -> None:
    camera = running_camera([videos[name]], offered=offered)
    with camera as [address], opened(address) as source:
        frames = list(islice(source.frames(), 30))
    assert source.description.is_live
    assert source.description.codec == codec
    assert {frame.epoch for frame in frames} == {0}
    steps = [later.pts_seconds - earlier.pts_seconds for earlier, later in pairwise(frames)]
    assert steps == pytest.approx([0.04] * 29)


def test_the_right_login_is_let_in(videos: dict[str, Path]) -> None:
    camera = running_camera([videos["h264"]], login=LOGIN)
    with camera as [address], opened(with_login(address, LOGIN)) as source:
        assert len(list(islice(source.frames(), 3))) == 3


@pytest.mark.parametrize("fault", ["wrong-auth", "drop:share=0.01"])
def test_a_login_that_is_refused_shows_nowhere(
    videos: dict[str, Path], fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The right one at a camera that takes none, and a wrong one."""
    told = LOGIN if fault == "wrong-auth" else Login(LOGIN.user, "hunter/2")
    with (
        running_camera([videos["h264"]], fault, login=LOGIN) as [address],
        pytest.raises(SourceError, match="the login was refused") as raised,
    ):
        open_source(with_login(address, told), stream="cam", clock=SystemClock())
    seen = "".join(traceback.format_exception(raised.value)) + "".join(capfd.readouterr())
    for password in (told.password, quote(told.password, safe="")):
        assert password not in seen


def test_an_unknown_mount_is_an_error(videos: dict[str, Path]) -> None:
    with (
        running_camera([videos["h264"], videos["h265"]]) as [address, _],
        pytest.raises(SourceError, match="nothing is at that path"),
    ):
        open_source(address.replace("cam0", "cam9"), stream="cam", clock=SystemClock())


def test_each_mount_has_its_own_video(videos: dict[str, Path]) -> None:
    names = ["h264", "h265", "small_h264"]
    with running_camera([videos[name] for name in names]) as addresses:
        seen = []
        for address in addresses:
            with opened(address) as source:
                seen.append((source.description.codec, source.description.width))
    assert seen == [("h264", 160), ("hevc", 160), ("h264", 96)]


def test_a_disconnect_is_a_lost_connection_after_all_its_frames(videos: dict[str, Path]) -> None:
    with (
        running_camera([videos["h264"]], "disconnect:at=0.6") as [address],
        opened(address) as source,
        pytest.raises(SourceError, match="lost after 15 frames"),
    ):
        list(source.frames())


def test_a_camera_that_dies_is_a_lost_connection(videos: dict[str, Path], tmp_path: Path) -> None:
    with running("camera", videos["h264"], "--port", "0", cwd=tmp_path) as process:
        assert process.stdout is not None
        with opened(process.stdout.readline().strip()) as source:
            frames = source.frames()
            next(frames)
            process.kill()
            with pytest.raises(SourceError, match="the connection was lost"):
                list(frames)


def test_a_short_stall_is_a_gap_in_the_same_epoch(videos: dict[str, Path]) -> None:
    camera = running_camera([videos["h264"]], "stall:at=0.4,seconds=0.5")
    with camera as [address], opened(address) as source:
        frames = list(islice(source.frames(), 20))
    gaps = [later.pts_seconds - earlier.pts_seconds for earlier, later in pairwise(frames)]
    assert max(gaps) == pytest.approx(0.54, abs=0.1)
    assert not any(frame.epoch or frame.damaged for frame in frames)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["stall:at=0.4,seconds=600", "half-open"])
def test_silence_is_an_error_within_the_limits_of_the_reader(
    videos: dict[str, Path], fault: str
) -> None:
    with (
        running_camera([videos["h264"]], fault) as [address],
        pytest.raises(SourceError, match="no answer in time"),
        opened(address) as source,
    ):
        list(source.frames())


def test_damage_is_flagged_or_counted(videos: dict[str, Path]) -> None:
    with (
        running_camera([videos["h264"]], "damage:share=0.5,at=0.1") as [address],
        opened(address) as source,
    ):
        bad = sum(frame.damaged for frame in islice(source.frames(), 40))
    assert bad + source.corrupt_packets > 0


@pytest.mark.parametrize("seconds", [3600, -5, -3600])
def test_a_time_jump_starts_an_epoch(videos: dict[str, Path], seconds: int) -> None:
    with (
        running_camera([videos["h264"]], f"jump:at=0.4,seconds={seconds}") as [address],
        opened(address) as source,
    ):
        frames = list(islice(source.frames(), 25))
    assert [frame.epoch for frame in frames] == sorted(frame.epoch for frame in frames)
    assert {frame.epoch for frame in frames} == {0, 1}


def test_another_size_comes_in_the_middle(videos: dict[str, Path]) -> None:
    fault = f"switch:to={videos['small_h264']},at=0.4"
    with running_camera([videos["h264"]], fault) as [address], opened(address) as source:
        widths = [frame.picture.width for frame in islice(source.frames(), 30)]
    assert list(dict.fromkeys(widths)) == [160, 96]


def test_another_codec_comes_with_the_next_connection(videos: dict[str, Path]) -> None:
    with running_camera([videos["h264"]], f"switch:to={videos['h265']},at=0.4") as [address]:
        with opened(address) as source, pytest.raises(SourceError, match="the connection was lost"):
            list(source.frames())
        with opened(address) as source:
            assert source.description.codec == "hevc"
            assert len(list(islice(source.frames(), 15))) == 15
