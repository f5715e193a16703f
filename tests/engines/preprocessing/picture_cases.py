"""Pictures in memory as decoders lay them out, and where they are to go."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.preprocessing.launch_tables import PictureAddress, nv12_address
from stream.crops import cut_crops
from stream.geometry import CropAffine, Letterbox, letterbox
from stream.picture import ColourSpace, Picture, to_rgb

Bytes = NDArray[np.uint8]

side = st.integers(1, 90)
seed = st.integers(0, 2**16)
canvas_side = st.integers(8, 96)
padding = st.integers(0, 17)
CROP = (24, 32)


def noise(width: int, height: int, number: int) -> Picture:
    """The hardest picture: every pixel, and every colour, is unlike its neighbour."""
    dice = np.random.default_rng(number)
    half = (height + 1) // 2, (width + 1) // 2
    planes = [dice.integers(0, 256, shape, np.uint8) for shape in ((height, width), half, half)]
    space = list(ColourSpace)[number % 3]
    return Picture(planes[0], planes[1], planes[2], space, full_range=bool(number % 2))


@dataclass(frozen=True)
class LaidOut:
    """A picture in rows that are longer than it is wide, full of other bytes behind its end."""

    address: PictureAddress
    memory: tuple[Bytes, ...]


def as_nv12(picture: Picture, extra: int) -> LaidOut:
    """Luma and pairs of chroma, as NVDEC writes them."""
    y = _padded(picture.y, extra)
    pairs = _padded(np.stack([picture.u, picture.v], -1).reshape(len(picture.u), -1), extra)
    address = nv12_address(
        y.ctypes.data,
        y.shape[1],
        pairs.ctypes.data,
        pairs.shape[1],
        (picture.width, picture.height),
        (picture.colour_space, picture.full_range),
    )
    return LaidOut(address, (y, pairs))


def as_i420(picture: Picture, extra: int) -> LaidOut:
    """Three planes, as software decoders write them."""
    y, u, v = (_padded(plane, extra) for plane in (picture.y, picture.u, picture.v))
    address = PictureAddress(
        y.ctypes.data,
        picture.width,
        picture.height,
        y.shape[1],
        u.ctypes.data,
        v.ctypes.data,
        u.shape[1],
        1,
        picture.colour_space,
        picture.full_range,
    )
    return LaidOut(address, (y, u, v))


def as_rgb(rgb: Bytes, extra: int) -> LaidOut:
    """Interleaved (H, W, 3)."""
    height, width = rgb.shape[:2]
    rows = _padded(rgb.reshape(height, -1), extra)
    return LaidOut(PictureAddress(rows.ctypes.data, width, height, rows.shape[1]), (rows,))


LAYOUTS = (as_nv12, as_i420)


@dataclass(frozen=True)
class Scene:
    """A picture, and the canvas it is to lie on."""

    picture: Picture
    there: LaidOut
    canvas: tuple[int, int]
    place: Letterbox


@st.composite
def scenes(draw: st.DrawFn, *, rgb: bool = False) -> Scene:
    """Pictures of any size in any layout; `rgb` lays the picture out as `to_rgb` has it."""
    picture = noise(draw(side), draw(side), draw(seed))
    extra = draw(padding)
    there = (
        as_rgb(to_rgb(picture), extra) if rgb else draw(st.sampled_from(LAYOUTS))(picture, extra)
    )
    canvas = draw(canvas_side), draw(canvas_side)
    return Scene(picture, there, canvas, letterbox(picture.width, picture.height, *canvas))


@st.composite
def crops(draw: st.DrawFn, size: tuple[int, int] = CROP) -> CropAffine:
    """Boxes in, beside and around a picture, upright and turned."""
    return CropAffine(
        centre_px=(draw(st.floats(-60, 150)), draw(st.floats(-60, 150))),
        width_px=draw(st.floats(0.5, 300)),
        crop_width=size[0],
        crop_height=size[1],
        rotation_degrees=draw(st.sampled_from((0.0, 90.0, -37.5)) | st.floats(-180, 180)),
    )


def cut(picture: Picture, places: list[CropAffine]) -> Bytes:
    """Crops as the pipeline cuts them on the processor."""
    size = places[0].crop_height, places[0].crop_width
    out = np.full((len(places), *size, 3), 77, np.uint8)
    cut_crops(picture, places, out)
    return out


def worst(found: Bytes, expected: Bytes) -> int:
    """Largest difference of two pictures, in grey levels."""
    return int(np.abs(found.astype(int) - expected.astype(int)).max(initial=0))


def _padded(plane: Bytes, extra: int) -> Bytes:
    rows = np.full((plane.shape[0], plane.shape[1] + extra), 201, np.uint8)
    rows[:, : plane.shape[1]] = plane
    return rows
