import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from stream.errors import ConfigError, SinkError
from stream.frame import Outcome
from stream.picture import picture_from_rgb
from stream.sinks.annotated_video_sink import AnnotatedVideoSink, even_size, fit
from tests.results import grey, result_of, standing_person
from tests.source_tree import REPOSITORY
from tests.videos import frame_times, pictures


def test_every_frame_keeps_its_own_time(tmp_path: Path) -> None:
    """Variable frame rate, a late start and B frames (static pictures get many)."""
    path = tmp_path / "out.mp4"
    steps = np.array([3_003, 9_000, 1, 3_003, 45_000, 6_006] * 10)
    times = (4_500 + np.cumsum(steps)) / 90_000
    sink = AnnotatedVideoSink(path)
    for index, pts_seconds in enumerate(times):
        sink.publish(result_of(index, standing_person(), pts_seconds=pts_seconds))
    sink.close()
    assert frame_times(path) == pytest.approx(times, abs=1e-6)


def test_a_dropped_frame_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = AnnotatedVideoSink(path)
    for index, outcome in enumerate((Outcome.INFERRED, Outcome.DROPPED, Outcome.SKIPPED)):
        sink.publish(result_of(index, outcome=outcome))
    sink.close()
    assert frame_times(path) == pytest.approx([0, 2 / 25])


def test_the_video_is_h264_in_420_without_sound_and_says_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = AnnotatedVideoSink(path)
    for index in range(3):
        sink.publish(result_of(index))
    sink.close()
    with av.open(str(path)) as container:
        [stream] = container.streams
        assert isinstance(stream, av.VideoStream)
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        frame = next(container.decode(stream))
        assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(3 / 25)


@pytest.mark.parametrize("colour", [(200, 30, 30), (30, 200, 30), (30, 30, 200), (90, 90, 90)])
def test_colours_come_back_as_they_went_in(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    path = tmp_path / "out.mp4"
    picture = picture_from_rgb(np.full((48, 64, 3), colour, np.uint8))
    sink = AnnotatedVideoSink(path)
    sink.publish(result_of(0, picture=picture))
    sink.close()
    [read] = pictures(path)
    # 8-bit 4:2:0 in limited range, twice: up to 4 steps of 255.
    np.testing.assert_allclose(read.reshape(-1, 3).mean(axis=0), colour, atol=4)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 5), (63, 47), (8000, 4000)])
def test_any_size_is_written_even(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "out.mp4"
    sink = AnnotatedVideoSink(path)
    sink.publish(result_of(0, picture=picture_from_rgb(grey(*size))))
    sink.close()
    width, height = even_size(*size)
    assert [read.shape for read in pictures(path)] == [(height, width, 3)]


def test_a_later_size_is_scaled_into_the_first_one(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = AnnotatedVideoSink(path)
    for index, size in enumerate([(64, 48), (128, 96), (48, 96), (33, 21)]):
        sink.publish(result_of(index, picture=picture_from_rgb(grey(*size, value=200))))
    sink.close()
    read = pictures(path)
    assert {picture.shape for picture in read} == {(48, 64, 3)}
    assert abs(int(read[1][24, 32, 0]) - 200) <= 4
    upright = read[2]
    assert upright[24, 4].max() < 20, "black at the sides of an upright picture"
    assert abs(int(upright[24, 32, 0]) - 200) <= 4


def test_a_missing_row_is_a_copy_of_the_last_one() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    padded = fit(picture, 8, 6)
    np.testing.assert_array_equal(padded[:5, :7], picture)
    np.testing.assert_array_equal(padded[5, :7], picture[4])
    np.testing.assert_array_equal(padded[:5, 7], picture[:, 6])


def test_the_final_name_appears_at_the_end_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    sink = AnnotatedVideoSink(path)
    sink.publish(result_of(0))
    assert path.read_bytes() == b"old"
    sink.close()
    assert len(frame_times(path)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_without_frames_leaves_no_file(tmp_path: Path) -> None:
    AnnotatedVideoSink(tmp_path / "out.mp4").close()
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from stream.sinks.annotated_video_sink import AnnotatedVideoSink
from tests.stream.sinks.test_annotated_video_sink import publish_noise
publish_noise(AnnotatedVideoSink(Path(sys.argv[1])), 700)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_a_partial_video_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    command = [sys.executable, "-c", KILLED, str(path)]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == -9
    played = 0
    with av.open(str(path) + ".partial", format="mp4") as container:
        try:
            for _ in container.decode(video=0):
                played += 1
        except av.FFmpegError:
            pass  # The last fragment is cut.
    assert played >= 250


def publish_noise(sink: AnnotatedVideoSink, frames: int) -> None:
    """Pictures that no encoder can make small."""
    random = np.random.default_rng(1)
    for index in range(frames):
        noise = random.integers(0, 256, (96, 128, 3)).astype(np.uint8)
        sink.publish(result_of(index, picture=picture_from_rgb(noise)))


def test_a_full_disk_is_reported_and_the_partial_file_kept(tiny_disk: Path) -> None:
    path = tiny_disk / "out.mp4"
    sink = AnnotatedVideoSink(path)
    with pytest.raises(SinkError) as caught:
        publish_noise(sink, 10_000)
    sink.abandon()
    assert "No space left on device" in str(caught.value)
    assert f"kept in {path}.partial" in str(caught.value)
    assert [file.name for file in tiny_disk.iterdir()] == ["out.mp4.partial"]


def test_a_disk_that_fills_up_at_the_very_end_is_reported_too(tiny_disk: Path) -> None:
    sink = AnnotatedVideoSink(tiny_disk / "out.mp4")
    publish_noise(sink, 20)  # the encoder still holds them
    with pytest.raises(SinkError, match="No space left on device"):
        sink.close()
    sink.abandon()
    assert not (tiny_disk / "out.mp4").exists()


def test_a_missing_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="create the folder first"):
        AnnotatedVideoSink(tmp_path / "missing" / "out.mp4")


def test_a_read_only_folder_is_refused_at_once(read_only_folder: Path) -> None:
    with pytest.raises(SinkError, match=r"out\.mp4: (Read-only|Permission).*choose a folder"):
        AnnotatedVideoSink(read_only_folder / "out.mp4")


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ends in \.mp4.*'out\.avi'"):
        AnnotatedVideoSink(tmp_path / "out.avi")
