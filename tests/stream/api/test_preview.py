import asyncio

import cv2
import numpy as np
import pytest

from stream.api.preview import MAX_SIDE_PX, Previews, PreviewSize, small_picture
from stream.clock import ManualClock
from stream.errors import UnknownStreamError
from stream.fleet.fleet_view import FrameNumber
from stream.fleet.stream_desk import Snapshot
from stream.frame import Frame
from stream.picture import black_picture
from stream.pose import Pose, TrackedPose


def snapshot(index: int = 0, size: tuple[int, int] = (1280, 720)) -> Snapshot:
    """A black picture with one upright person in its middle."""
    width, height = size
    joints = np.stack([np.full(17, width / 2), np.linspace(0.3, 0.7, 17) * height], axis=1)
    pose = Pose(joints.astype(np.float32), np.ones(17, np.float32), 0.9)
    frame = Frame("cam", 0, index, 0.0, 0.0, black_picture(width, height))
    return Snapshot(frame, (TrackedPose(1, pose),))


class Fleet:
    """Has a new picture whenever it is told so; counts how often it had to copy one."""

    def __init__(self) -> None:
        self.index, self.asked, self.copied = 0, 0, 0

    def take(self, name: str, known: FrameNumber | None) -> Snapshot | None:
        self.asked += 1
        if name != "cam":
            raise UnknownStreamError(name)
        if known == (0, self.index):
            return None
        self.copied += 1
        return snapshot(self.index)


def test_people_are_drawn_where_they_are_in_the_small_picture() -> None:
    rgb = small_picture(snapshot(), 320)
    assert rgb.shape == (180, 320, 3)
    rows, columns = np.nonzero(rgb.max(axis=2) > 100)
    # Without the label above the head.
    drawn = columns[rows > 60]
    assert abs(float(np.median(drawn)) - 160) < 3
    assert rows.max() < 0.75 * 180


@pytest.mark.parametrize("size", [(64, 48), (1, 1), (3000, 10), (720, 1280)])
def test_a_picture_is_never_enlarged_nor_too_long(size: tuple[int, int]) -> None:
    rgb = small_picture(snapshot(size=size), 320)
    assert max(rgb.shape[:2]) == min(320, max(size))


def test_it_is_made_once_for_all_who_look_and_again_only_when_it_is_another() -> None:
    fleet, clock = Fleet(), ManualClock()
    previews = Previews(fleet.take, clock)

    async def look(times: int) -> list[str]:
        found = await asyncio.gather(
            *(previews.still("cam", PreviewSize.SMALL) for _ in range(times))
        )
        return [still.tag for still in found if still]

    async def looks() -> None:
        assert await look(5) == ['"0-0"'] * 5
        assert (fleet.asked, fleet.copied) == (1, 1)
        fleet.index = 1
        assert await look(1) == ['"0-0"'], "a moment old is new enough"
        clock.advance(1.0)
        assert await look(3) == ['"0-1"'] * 3
        clock.advance(1.0)
        await look(1)
        assert (fleet.asked, fleet.copied) == (3, 2), "the same picture is not copied again"
        previews.forget("cam")
        clock.advance(1.0)
        await look(1)
        assert fleet.copied == 3
        with pytest.raises(UnknownStreamError):
            await previews.still("none", PreviewSize.SMALL)

    asyncio.run(looks())


def test_pictures_of_streams_that_are_gone_are_not_kept() -> None:
    fleet, clock = Fleet(), ManualClock()
    previews = Previews(fleet.take, clock)

    async def looks() -> None:
        for number in range(5):  # whoever asked went away before there was an answer
            asking = asyncio.ensure_future(previews.still(f"none-{number}", PreviewSize.SMALL))
            await asyncio.sleep(0)
            asking.cancel()
        for size in PreviewSize:
            await previews.still("cam", size)
        assert len(previews) > 3
        previews.keep_only({"cam"})
        assert len(previews) == 3
        clock.advance(1.0)
        await previews.still("cam", PreviewSize.SMALL)
        assert fleet.copied == 3, "what it knows of streams that are there, it keeps"
        previews.keep_only(set())
        assert len(previews) == 0

    asyncio.run(looks())


def test_a_still_is_a_jpeg_of_its_size() -> None:
    async def look() -> bytes:
        still = await Previews(Fleet().take, ManualClock()).still("cam", PreviewSize.MEDIUM)
        assert still is not None
        return still.jpeg

    picture = cv2.imdecode(np.frombuffer(asyncio.run(look()), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == MAX_SIDE_PX[PreviewSize.MEDIUM]
