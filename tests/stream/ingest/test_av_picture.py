"""Colours of the pictures against swscale's, for every way a decoder may hand them over."""

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from stream.ingest.av_picture import PictureMaker, colour_of
from stream.picture import ColourSpace, to_rgb

SPACES = {1: ColourSpace.BT709, 5: ColourSpace.BT601, 6: ColourSpace.BT601, 9: ColourSpace.BT2020}
SWSCALE = {1: 1, 5: 5, 6: 5, 9: 9}


def colourful(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Smooth in both directions, so that chroma at half size loses little."""
    rows, columns = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    rgb = np.stack([255 * columns, 255 * rows, 255 * (1 - columns) * rows + 40], -1)
    return rgb.clip(0, 255).astype(np.uint8)


def frame_of(pixels: str, space: int, full_range: bool) -> VideoFrame:
    frame = av.VideoFrame.from_ndarray(colourful(), format="rgb24").reformat(
        format=pixels,
        dst_colorspace=SWSCALE[space],
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
    )
    frame.colorspace = space
    frame.color_range = ColorRange.JPEG if full_range else ColorRange.MPEG
    return frame


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    "pixels", ["yuv420p", "nv12", "yuv422p", "yuv444p", "yuyv422", "yuv420p10le"]
)
def test_colours_come_back_whatever_the_planes_are(
    pixels: str, space: int, full_range: bool
) -> None:
    picture = PictureMaker().picture(frame_of(pixels, space, full_range))

    assert picture.colour_space is SPACES[space]
    assert picture.full_range is full_range
    away = np.abs(to_rgb(picture).astype(int) - colourful())[4:-4, 4:-4]
    assert away.mean() < 1.5
    assert np.percentile(away, 99) <= 5


@pytest.mark.parametrize("pixels", ["rgb24", "bgr24", "bgra", "gbrp", "rgb48le"])
def test_rgb_becomes_what_jpeg_is(pixels: str) -> None:
    frame = av.VideoFrame.from_ndarray(colourful(), format="rgb24").reformat(format=pixels)
    picture = PictureMaker().picture(frame)

    assert (picture.colour_space, picture.full_range) == (ColourSpace.BT601, True)
    assert np.abs(to_rgb(picture).astype(int) - colourful()).mean() < 1.5


@pytest.mark.parametrize("pixels", ["gray", "gray10le"])
def test_grey_has_no_colour(pixels: str) -> None:
    grey = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format=pixels)
    rgb = to_rgb(PictureMaker().picture(frame)).astype(int)
    assert np.abs(rgb - grey[..., None]).max() <= 2


def test_a_palette_is_looked_up() -> None:
    indices = np.tile(np.array([0, 1], np.uint8), (8, 8))
    palette = np.zeros((256, 4), np.uint8)
    palette[0], palette[1] = (255, 250, 10, 20), (255, 10, 20, 240)
    frame = av.VideoFrame.from_ndarray((indices, palette), format="pal8")  # type: ignore[arg-type]
    picture = PictureMaker().picture(frame)
    assert picture.full_range
    assert picture.y.shape == (8, 16)


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (5, 7), (64, 33)])
@pytest.mark.parametrize("pixels", ["yuv420p", "nv12", "yuv444p", "rgb24", "gray"])
def test_odd_sizes_have_planes_of_the_right_shape(pixels: str, size: tuple[int, int]) -> None:
    rgb = np.full((size[1], size[0], 3), 128, np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixels)
    picture = PictureMaker().picture(frame)
    assert (picture.width, picture.height) == size
    assert np.abs(to_rgb(picture).astype(int) - 128).max() <= 3


@pytest.mark.parametrize(("height", "space"), [(718, ColourSpace.BT601), (720, ColourSpace.BT709)])
def test_an_unnamed_colour_space_is_guessed_from_the_height(
    height: int, space: ColourSpace
) -> None:
    assert colour_of(av.VideoFrame(16, height, "yuv420p")) == (space, False)
    assert colour_of(av.VideoFrame(16, height, "yuvj420p")) == (space, True)
