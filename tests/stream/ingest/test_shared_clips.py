"""The shared videos are read whole: frames, sizes and rates as their README says."""

from contextlib import closing
from pathlib import Path

import pytest

from stream.clock import ManualClock
from stream.ingest.open_source import open_source

CLIPS = {
    "corridor_two_walking_480x270_h264": ("h264", 480, 270, 12.5, 41),
    "lab_one_person_cam02_vp9": ("vp9", 1080, 1920, 60.0, 100),
    "lab_two_persons_cam01_h264": ("h264", 1088, 1920, 60.0, 100),
    "lab_two_persons_cam02_h264": ("h264", 1088, 1920, 60.0, 100),
    "lab_two_persons_cam03_h264": ("h264", 1088, 1920, 60.0, 100),
    "lab_two_persons_cam04_h264": ("h264", 1088, 1920, 60.0, 100),
    "one_by_one_persons_h264": ("h264", 768, 432, 10.0, 1394),
    "park_walk_sidecam_vp9": ("vp9", 1768, 994, 30.0, 230),
    "store_aisle_480x270_h264": ("h264", 480, 270, 16.7, 67),
    "street_static_vtest_h264": ("h264", 768, 576, 10.0, 795),
    "street_static_vtest_h265_200f": ("hevc", 768, 576, 10.0, 200),
    "studio_squats_5fps_h264": ("h264", 720, 1280, 5.0, 65),
    "worker_zone_480x270_h264": ("h264", 480, 270, 16.7, 71),
}


def test_the_table_names_every_shared_video(shared_data: Path) -> None:
    assert {path.stem for path in (shared_data / "videos").glob("*.mp4")} == set(CLIPS)


@pytest.mark.parametrize("name", CLIPS)
def test_a_shared_video_is_read_whole(name: str, shared_data: Path) -> None:
    codec, width, height, fps, count = CLIPS[name]
    path = shared_data / "videos" / f"{name}.mp4"
    with closing(open_source(str(path), stream=name, clock=ManualClock())) as source:
        about = source.description
        sizes, seconds, damaged = set(), [], 0
        for frame in source.frames():
            sizes.add((frame.picture.width, frame.picture.height))
            seconds.append(frame.pts_seconds)
            damaged += frame.damaged

        assert (damaged, source.corrupt_packets) == (0, 0)
    assert (about.codec, about.width, about.height) == (codec, width, height)
    assert about.fps_from_header is not None
    assert about.fps_from_header == pytest.approx(fps, abs=0.1)
    assert len(seconds) == about.frames_from_header == count
    assert sizes == {(width, height)}
    assert seconds == pytest.approx([index / about.fps_from_header for index in range(count)])
