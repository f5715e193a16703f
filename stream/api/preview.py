"""Small pictures with skeletons, made only when somebody looks, and once for all who look.

The picture is the newest one whose people are known, in memory that the decoder shares with the
daemon: nothing is decoded or kept for it. The supervisor copies it between two turns, and only if
it is another one than before; a thread of the API scales it, draws the people and makes a JPEG.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum

import cv2

from stream.clock import Clock
from stream.errors import UnknownStreamError
from stream.fleet.fleet_view import FrameNumber
from stream.fleet.stream_desk import Snapshot
from stream.geometry import letterbox
from stream.picture import to_canvas
from stream.pose import Pose, TrackedPose
from stream.sinks.overlay import Rgb, draw_people

LEAST_SECONDS = 0.2
"""Between two pictures of a stream and size."""
QUALITY = 80
LEAST_SECONDS_ALL = 1 / 30
"""Between two pictures of any streams: however many look, this is what it costs at most."""
Take = Callable[[str, FrameNumber | None], Snapshot | None]
"""`Fleet.snapshot`."""


class PreviewSize(StrEnum):
    """How large a picture is; never larger than the camera's own."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


MAX_SIDE_PX = {PreviewSize.SMALL: 384, PreviewSize.MEDIUM: 768, PreviewSize.LARGE: 1920}


@dataclass(frozen=True, slots=True)
class Still:
    """A picture of a stream."""

    frame: FrameNumber
    jpeg: bytes

    @property
    def tag(self) -> str:
        """Names the picture, as an HTTP entity tag."""
        return f'"{self.frame[0]}-{self.frame[1]}"'


@dataclass(slots=True)
class _Shelf:
    still: Still | None = None
    looked_seconds: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Previews:
    """Of all streams; used by the event loop's thread."""

    def __init__(self, take: Take, clock: Clock) -> None:
        self._take, self._clock = take, clock
        self._shelves: dict[tuple[str, PreviewSize], _Shelf] = {}
        self._turn = asyncio.Lock()
        self._next_seconds = 0.0

    async def still(self, name: str, size: PreviewSize) -> Still | None:
        """The newest picture, or one that is a moment old; None before the first.

        Raises:
            UnknownStreamError: if there is no such stream.
            BusyError: if the daemon does not answer.
        """
        shelf = self._shelves.setdefault((name, size), _Shelf())
        async with shelf.lock:
            if self._clock.monotonic() - shelf.looked_seconds < LEAST_SECONDS:
                return shelf.still
            known = shelf.still.frame if shelf.still else None
            try:
                await self._wait_for_turn()
                made = await asyncio.to_thread(self._make, name, size, known)
            except UnknownStreamError:
                self.forget(name)
                raise
            shelf.still, shelf.looked_seconds = made or shelf.still, self._clock.monotonic()
            return shelf.still

    def __len__(self) -> int:
        """How many pictures are kept, or are about to be."""
        return len(self._shelves)

    async def _wait_for_turn(self) -> None:
        async with self._turn:
            wait = self._next_seconds - self._clock.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            self._next_seconds = self._clock.monotonic() + LEAST_SECONDS_ALL

    def forget(self, name: str) -> None:
        """The stream is gone, or has other pictures."""
        for size in PreviewSize:
            self._shelves.pop((name, size), None)

    def keep_only(self, names: Collection[str]) -> None:
        """No others are there: who asked for them may have gone before there was an answer."""
        for shelf in [shelf for shelf in self._shelves if shelf[0] not in names]:
            del self._shelves[shelf]

    def _make(self, name: str, size: PreviewSize, known: FrameNumber | None) -> Still | None:
        snapshot = self._take(name, known)
        if snapshot is None:
            return None
        frame = snapshot.frame
        jpeg = encoded(small_picture(snapshot, MAX_SIDE_PX[size]))
        return Still((frame.epoch, frame.index), jpeg)


def small_picture(snapshot: Snapshot, max_side_px: int) -> Rgb:
    """(H, W, 3) RGB with its people; no side longer than that, and not enlarged."""
    picture = snapshot.frame.picture
    longest = max(picture.width, picture.height)
    scale = min(1.0, max_side_px / longest)
    sides = [max(1, round(side * scale)) for side in (picture.width, picture.height)]
    place = letterbox(picture.width, picture.height, *sides)
    rgb = to_canvas(picture, place)
    people = [
        TrackedPose(
            person.track,
            Pose(
                place.to_canvas(person.pose.keypoints_px),
                person.pose.confidence,
                person.pose.score,
            ),
        )
        for person in snapshot.people
    ]
    draw_people(rgb, people)
    return rgb


def encoded(rgb: Rgb) -> bytes:
    """The picture as a JPEG."""
    _, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    return jpeg.tobytes()
