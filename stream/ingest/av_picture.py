"""FFmpeg's frames as upright `Picture`s, without a copy where the decoder gives YUV 4:2:0."""

import gc
from fractions import Fraction
from typing import cast

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from stream.ingest.orientation import (
    UPRIGHT,
    Orientation,
    orientation_from_matrix,
    orientation_from_rotation,
)
from stream.picture import ColourSpace, Picture, Plane

HIGH_DEFINITION_ROWS = 720
"""From here on a picture that names no colour space has that of high definition."""
_CYCLES_BETWEEN_COLLECTIONS = 32
"""So many pictures of a folder wait for the garbage collector at most."""
_PLANAR = {"yuv420p", "yuvj420p"}
_GREY = {"gray", "grayj"}
_COLOUR_SPACES = {
    1: ColourSpace.BT709,
    4: ColourSpace.BT601,  # FCC: Kr 0.30, Kb 0.11
    5: ColourSpace.BT601,
    6: ColourSpace.BT601,
    7: ColourSpace.BT709,  # SMPTE 240M: Kr 0.212, Kb 0.087
    9: ColourSpace.BT2020,
    10: ColourSpace.BT2020,
}
"""Matrix coefficients as numbered by ITU-T H.273."""
_SWSCALE_NUMBERS = {ColourSpace.BT709: 1, ColourSpace.BT601: 5, ColourSpace.BT2020: 9}


class PictureMaker:
    """Makes the pictures of one source; keeps swscale's state between frames of one shape."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._orientations = _Orientations()

    def next_file(self) -> None:
        """Nothing that was learnt of frames so far holds for the next one."""
        self._orientations.forget()

    def close(self) -> None:
        """Frees what frames left to the garbage collector, decoders and all: megabytes a source."""
        self._orientations.collect()

    def picture(self, frame: VideoFrame) -> Picture:
        """The frame's picture, turned upright; its planes keep the decoder's memory alive."""
        space, full_range = colour_of(frame)
        name = frame.format.name
        if name in _PLANAR:
            planes = [_plane(plane) for plane in frame.planes]
        elif name == "nv12":
            planes = _split_nv12(frame)
        elif name in _GREY:
            planes = _with_no_colour(_plane(frame.planes[0]))
        else:
            planes = [_plane(p) for p in self._planar(frame, space, full_range).planes]
        turned = self._orientations.of(frame)
        y, u, v = (turned.upright(plane) for plane in planes)
        return Picture(y, u, v, space, full_range)

    def is_upright(self, frame: VideoFrame) -> bool:
        """Whether the frame is shown as it lies in memory."""
        return self._orientations.of(frame) == UPRIGHT

    def _planar(self, frame: VideoFrame, space: ColourSpace, full_range: bool) -> VideoFrame:  # noqa: FBT001
        number = _SWSCALE_NUMBERS[space]
        colour_range = ColorRange.JPEG if full_range else ColorRange.MPEG
        return self._reformatter.reformat(
            frame,
            format="yuv420p",
            # RGB comes from no matrix; a wrong one here would be refused.
            src_colorspace=None if _is_rgb(frame) else number,
            dst_colorspace=number,
            interpolation=Interpolation.BILINEAR,
            src_color_range=ColorRange.JPEG if _is_rgb(frame) else colour_range,
            dst_color_range=colour_range,
            threads=1,
        )


def colour_of(frame: VideoFrame) -> tuple[ColourSpace, bool]:
    """The colour space and whether luma spans 0-255, for the frame's 4:2:0 form.

    RGB becomes BT.601 of full range, as in JPEG.
    """
    name = frame.format.name
    if _is_rgb(frame):
        return ColourSpace.BT601, True
    full_range = frame.color_range == ColorRange.JPEG or name.startswith("yuvj")
    if name.startswith("gray"):
        return ColourSpace.BT601, frame.color_range != ColorRange.MPEG
    high = frame.height >= HIGH_DEFINITION_ROWS
    usual = ColourSpace.BT709 if high else ColourSpace.BT601
    return _COLOUR_SPACES.get(frame.colorspace, usual), full_range


def _is_rgb(frame: VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.has_palette


def pts_of(frame: VideoFrame) -> Fraction | None:
    """The presentation time in seconds on the container's clock; None if it has none."""
    if frame.pts is None or not frame.time_base:
        return None
    return frame.pts * Fraction(frame.time_base)


def _plane(plane: VideoPlane) -> Plane:
    """(H, W) view of the decoder's memory, its padding left out; numpy keeps the frame alive."""
    rows: Plane = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    rows = rows.reshape(plane.height, abs(plane.line_size))
    if plane.line_size < 0:
        rows = np.ascontiguousarray(rows[::-1])  # stored bottom up
    return rows[:, : plane.width]


def _split_nv12(frame: VideoFrame) -> list[Plane]:
    y, both = frame.planes
    half = (frame.height + 1) // 2, (frame.width + 1) // 2
    rows: Plane = np.frombuffer(both, np.uint8)  # type: ignore[call-overload]
    pairs = rows.reshape(half[0], both.line_size)[:, : 2 * half[1]].reshape(*half, 2)
    u, v = (np.asarray(plane, np.uint8).reshape(half) for plane in cv2.split(pairs))
    return [_plane(y), u, v]


def _with_no_colour(y: Plane) -> list[Plane]:
    half = (y.shape[0] + 1) // 2, (y.shape[1] + 1) // 2
    return [y, np.full(half, 128, np.uint8), np.full(half, 128, np.uint8)]


class _Orientations:
    """How frames are to be turned; asks for their side data as seldom as it can.

    PyAV's side data and its frame hold each other, so that the picture's memory is only freed by
    the cyclic garbage collector, which sees small objects and is in no hurry: a video read that way
    grows by megabytes a second.
    """

    def __init__(self) -> None:
        self._known: tuple[tuple[int, int, int], Orientation] | None = None
        self._cycles = 0

    def forget(self) -> None:
        self._known = None

    def of(self, frame: VideoFrame) -> Orientation:
        # Within a file a mirror image does not come and go without a turn.
        shape = (frame.rotation, frame.width, frame.height)
        if self._known is None or self._known[0] != shape:
            self._known = shape, _orientation(frame)
            self._cycles += 1
        if self._cycles >= _CYCLES_BETWEEN_COLLECTIONS:
            self.collect()
        return self._known[1]

    def collect(self) -> None:
        """Frees the frames whose side data was asked for and that nobody else holds."""
        if self._cycles:
            self._cycles = 0
            gc.collect()


def _orientation(frame: VideoFrame) -> Orientation:
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV names not every kind of side data, and EXIF of pictures is one. The rotation can
        # still be had, but not whether the picture is also mirrored.
        return orientation_from_rotation(frame.rotation)
    return UPRIGHT if matrix is None else orientation_from_matrix(cast(bytes, matrix))
