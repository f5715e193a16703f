"""Drawn people who walk to and fro: a source that needs no file and whose truth is known."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stream.clock import Clock
from stream.errors import ConfigError
from stream.frame import Frame
from stream.ingest.decode_ladder import DecodeStep
from stream.ingest.source import SourceDescription
from stream.picture import picture_from_rgb
from stream.skeleton import COCO_17

MAX_PEOPLE = 8
_BACKGROUND, _FIGURE = 60, 220
_STEPS_PER_SECOND = 1.0
_HEIGHTS_PER_SECOND = 0.4
"""How fast a figure walks."""
_REACH_HEIGHTS = 0.25
"""How far from its middle a figure's hands may get."""
_STANDING = np.array(
    [
        (0.00, 0.07), (0.02, 0.05), (-0.02, 0.05), (0.05, 0.06), (-0.05, 0.06), (0.11, 0.20),
        (-0.11, 0.20), (0.14, 0.35), (-0.14, 0.35), (0.15, 0.49), (-0.15, 0.49), (0.07, 0.52),
        (-0.07, 0.52), (0.08, 0.74), (-0.08, 0.74), (0.08, 0.96), (-0.08, 0.96),
    ],
    np.float32,
)  # fmt: skip
"""(17, 2) COCO joints of a person seen from the front, in heights from the middle of the top."""
_SWING = np.zeros(len(_STANDING), np.float32)
_SWING[[7, 9, 14, 16]] = 0.03, 0.07, 0.04, 0.1
_SWING[[8, 10, 13, 15]] = -0.03, -0.07, -0.04, -0.1
"""How far each joint swings forth (in heights) while its opposite swings back."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is drawn."""

    width: int = 320
    height: int = 240
    frames: int = 50
    fps: float = 25.0
    people: int = 2

    def __post_init__(self) -> None:
        """Refuses a pattern that cannot be drawn."""
        sides_and_frames = min(self.width, self.height, self.frames)
        if sides_and_frames < 1 or self.fps <= 0 or not 0 <= self.people <= MAX_PEOPLE:
            raise ConfigError(
                f"a pattern needs sides, frames and fps above 0 and 0 to {MAX_PEOPLE} people, got "
                f"{self}"
            )

    def keypoints_px(self, index: int) -> NDArray[np.float32]:
        """(people, 17, 2) pixels: where everybody is in a frame."""
        joints = len(COCO_17.joints)
        people = [self._person_px(index, person) for person in range(self.people)]
        return np.array(people, np.float32).reshape(self.people, joints, 2)

    def _person_px(self, index: int, person: int) -> NDArray[np.float32]:
        seconds = index / self.fps
        tall_px = 0.8 * self.height
        room_px = max(self.width - 2 * _REACH_HEIGHTS * tall_px, 1.0)
        walked_px = seconds * _HEIGHTS_PER_SECOND * tall_px + person * 0.37 * room_px
        # To and fro between the sides.
        middle_px = _REACH_HEIGHTS * tall_px + room_px - abs(walked_px % (2 * room_px) - room_px)
        phase = np.sin(2 * np.pi * (_STEPS_PER_SECOND * seconds + person / 4))
        joints = _STANDING.copy()
        joints[:, 0] += _SWING * phase
        place: NDArray[np.float32] = joints * np.float32(tall_px)
        return place + np.array([middle_px, 0.1 * self.height], np.float32)

    def rgb(self, index: int) -> NDArray[np.uint8]:
        """(height, width, 3) the frame drawn."""
        rgb = np.full((self.height, self.width, 3), _BACKGROUND, np.uint8)
        thick = max(1, self.height // 60)
        for person in self.keypoints_px(index):
            for start, end in COCO_17.limbs:
                points = np.rint(person[[start, end]]).astype(int).tolist()
                cv2.line(rgb, points[0], points[1], (_FIGURE,) * 3, thick)
        return rgb


class PatternSource:
    """Implements `Source`: the same frames every time."""

    def __init__(self, pattern: Pattern, *, stream: str, clock: Clock) -> None:
        self._pattern = pattern
        self._clock = clock
        self._is_open = True
        self.corrupt_packets = 0
        self.decode_steps: tuple[DecodeStep, ...] = ()
        self.description = SourceDescription(
            stream=stream,
            codec="pattern",
            width=pattern.width,
            height=pattern.height,
            is_live=False,
            frames_from_header=pattern.frames,
            duration_seconds_from_header=pattern.frames / pattern.fps,
            fps_from_header=pattern.fps,
        )

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        for index in range(self._pattern.frames):
            if not self._is_open:
                return
            yield Frame(
                stream=self.description.stream,
                epoch=0,
                index=index,
                pts_seconds=index / self._pattern.fps,
                capture_seconds=self._clock.wall(),
                picture=picture_from_rgb(self._pattern.rgb(index)),
            )

    def close(self) -> None:
        """See `Source.close`."""
        self._is_open = False
