import os
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.fleet.segment import Segment, SegmentError, SegmentView, picture_bytes
from stream.picture import ColourSpace, Picture
from tests.named_memory import named_memory


def noise(width: int, height: int, seed: int = 0) -> Picture:
    random = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (random.integers(0, 255, s, np.uint8) for s in ((height, width), half, half))
    return Picture(y, u, v, ColourSpace.BT709, full_range=True)


def same(one: Picture, other: Picture) -> bool:
    planes = ((one.y, other.y), (one.u, other.u), (one.v, other.v))
    return all(np.array_equal(mine, theirs) for mine, theirs in planes)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3))
def test_a_picture_comes_out_as_it_went_in(width: int, height: int, slots: int) -> None:
    segment = Segment(slots, picture_bytes(width, height))
    view = SegmentView(segment.fd, slots, segment.slot_bytes)
    segment.close_fd()
    pictures = [noise(width, height, seed) for seed in range(slots)]
    for slot, picture in enumerate(pictures):
        segment.write(slot, 7 + slot, picture)
    for slot, picture in enumerate(pictures):
        read = view.picture(slot, (width, height), ColourSpace.BT709, full_range=True)
        assert same(read, picture)
        assert read.full_range
        assert view.generation(slot) == 7 + slot


def test_views_are_read_only_and_outlive_everything_else() -> None:
    segment = Segment(1, picture_bytes(8, 8))
    view = SegmentView(segment.fd, 1, segment.slot_bytes)
    segment.close_fd()
    picture = noise(8, 8)
    segment.write(0, 1, picture)
    read = view.picture(0, (8, 8), ColourSpace.BT709, full_range=True)
    del segment, view
    assert same(read, picture)
    with pytest.raises(ValueError, match="read-only"):
        read.y[0, 0] = 1


def test_a_picture_that_does_not_fit_is_refused() -> None:
    segment = Segment(2, picture_bytes(8, 8))
    view = SegmentView(segment.fd, 2, segment.slot_bytes)
    segment.close_fd()
    assert segment.holds(noise(8, 8))
    assert not segment.holds(noise(80, 80))
    for slot, size in ((0, (80, 80)), (2, (8, 8)), (-1, (8, 8)), (0, (0, 8))):
        with pytest.raises(SegmentError):
            view.picture(slot, size, ColourSpace.BT709, full_range=True)


def test_memory_that_could_be_cut_short_is_refused() -> None:
    plain = os.memfd_create("plain", os.MFD_ALLOW_SEALING)
    os.ftruncate(plain, 4096)
    segment = Segment(1, 100)
    with pytest.raises(SegmentError, match="sealed"):
        SegmentView(plain, 1, 4096)
    with pytest.raises(SegmentError, match="sealed"):
        SegmentView(segment.fd, 2, segment.slot_bytes)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(segment.fd, 0)
    segment.close_fd()
    os.close(plain)


def test_nothing_has_a_name() -> None:
    before = named_memory("self")
    segment = Segment(2, 1 << 20)
    assert named_memory("self") == before
    assert str(Path(f"/proc/self/fd/{segment.fd}").readlink()) == "/memfd:frames (deleted)"
    segment.close_fd()


def test_a_name_would_be_seen() -> None:
    memory = SharedMemory(create=True, size=4096)
    assert named_memory("self") >= {memory.name}
    memory.close()
    memory.unlink()
