"""What the kernels do, in torch: the oracle they are held to on a GPU, and their fallback there.

Written from the definitions (shares of pixels, samples by plain indexing) and not from
`pixels.h`, so that a fault of one is not a fault of both.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.cuda_batch import import_torch
from engines.preprocessing.launch_tables import COLOUR_SCALE, colour_integers
from engines.preprocessing.tensor_picture import TensorPicture
from stream.geometry import CropAffine, Letterbox
from stream.picture import CANVAS_GREY

_LINEAR_SCALE = 1 << 11
"""Of `cv2.resize` on uint8: weights are integers of this unit."""
_LEAST_SHARE = 1e-3
"""Of a pixel that still counts, as in `cv2.resize`."""


def twin_canvases(
    pictures: Sequence[TensorPicture], places: Sequence[tuple[int, Letterbox]]
) -> Any:
    """uint8 (N, canvas height, canvas width, 3) RGB, as `stream.picture.to_canvas` renders them.

    Args:
        pictures: all on one device.
        places: number of the picture, and its letterbox; all of one canvas, at least one.
    """
    torch, (_, any_place) = import_torch(), places[0]
    shape = (len(places), any_place.canvas_height, any_place.canvas_width, 3)
    device = pictures[0].y.device
    out = torch.full(shape, CANVAS_GREY, dtype=torch.uint8, device=device)
    for row, (number, place) in zip(out, places, strict=True):
        rows = slice(place.top, place.top + place.inner_height)
        columns = slice(place.left, place.left + place.inner_width)
        row[rows, columns] = _rgb(pictures[number], place.inner_width, place.inner_height)
    return out


def twin_crops(pictures: Sequence[TensorPicture], places: Sequence[tuple[int, CropAffine]]) -> Any:
    """uint8 (N, crop height, crop width, 3) RGB, as `stream.crops.cut_crops` cuts them.

    Args:
        pictures: all on one device.
        places: number of the picture, and where in it the crop lies; all of one size, at least one.
    """
    torch = import_torch()
    whole = {
        number: _rgb(picture, picture.y.shape[1], picture.y.shape[0]).float()
        for number, picture in enumerate(pictures)
        if any(number == wanted for wanted, _ in places)
    }
    return torch.stack([_crop(whole[number], place) for number, place in places])


def _rgb(picture: TensorPicture, width: int, height: int) -> Any:
    """uint8 (height, width, 3)."""
    torch = import_torch()
    y, u, v = (_resized(plane, width, height) for plane in (picture.y, picture.u, picture.v))
    rows = colour_integers(picture.colour_space, full_range=picture.full_range).tolist()
    channels = [(y * a + u * b + v * c + d) // COLOUR_SCALE for a, b, c, d in rows]
    return torch.stack(channels, -1).clamp(0, 255).to(torch.uint8)


def _resized(plane: Any, width: int, height: int) -> Any:
    """int32 (height, width): averaged when shrinking, linear when enlarging."""
    torch = import_torch()
    rows, columns = plane.shape
    if (rows, columns) == (height, width):
        return plane.to(torch.int32)
    if height >= rows and width >= columns:
        return _enlarged(plane, width, height)
    if (rows, columns) == (2 * height, 2 * width):
        whole = plane.to(torch.int32).view(height, 2, width, 2).sum((1, 3))
        return ((whole + 2) >> 2).to(torch.int32)
    mean = _averaged(plane.float(), width)
    return _averaged(mean.T, height).T.round().to(torch.int32)


def _averaged(pixels: Any, width: int) -> Any:
    """float32 (H, W) to (H, width), one share after the other, as OpenCV adds them up."""
    torch = import_torch()
    total = torch.zeros((pixels.shape[0], width), device=pixels.device)
    for column, share in zip(*_shares(pixels.shape[1], width), strict=True):
        total += pixels[:, torch.from_numpy(column)] * torch.from_numpy(share).to(pixels.device)
    return total


def _enlarged(plane: Any, width: int, height: int) -> Any:
    torch = import_torch()
    rows, columns = plane.shape
    pixels = plane.to(torch.int32)

    def taps(source: int, target: int, *, at_end: bool) -> tuple[Any, Any, Any, Any]:
        found = _linear_taps(source, target, at_end)
        return tuple(torch.from_numpy(one).to(plane.device) for one in found)

    left, right, near, far = taps(columns, width, at_end=True)
    sums = pixels[:, left] * near + pixels[:, right] * far
    above, below, near, far = taps(rows, height, at_end=False)
    upper = (near[:, None] * (sums[above] >> 4)) >> 16
    lower = (far[:, None] * (sums[below] >> 4)) >> 16
    return ((upper + lower + 2) >> 2).clamp(0, 255)


def _crop(rgb: Any, place: CropAffine) -> Any:
    """uint8 (crop height, crop width, 3) from float (H, W, 3); black beyond the border."""
    torch = import_torch()
    device = rgb.device
    x = torch.arange(place.crop_width, dtype=torch.float64, device=device)
    y = torch.arange(place.crop_height, dtype=torch.float64, device=device)[:, None]
    (a, b, c), (d, e, f) = place.inverse().tolist()
    # Whatever lies far outside is as black as what lies just outside.
    across = (a * x + b * y + c).clamp(-2, rgb.shape[1] + 1)
    along = (d * x + e * y + f).clamp(-2, rgb.shape[0] + 1)
    left, top = across.floor(), along.floor()
    right, down = (across - left)[..., None], (along - top)[..., None]
    columns, rows = left.long(), top.long()
    above = _pixels(rgb, columns, rows) * (1 - right) + _pixels(rgb, columns + 1, rows) * right
    rows = rows + 1
    below = _pixels(rgb, columns, rows) * (1 - right) + _pixels(rgb, columns + 1, rows) * right
    return (above * (1 - down) + below * down).round().clamp(0, 255).to(torch.uint8)


def _pixels(rgb: Any, columns: Any, rows: Any) -> Any:
    height, width = rgb.shape[:2]
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return rgb[rows.clamp(0, height - 1), columns.clamp(0, width - 1)] * inside[..., None]


@lru_cache(maxsize=32)
def _shares(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Twice (pixels under a new one, target): which they are, and how much of it each makes."""
    size = 1 / (target / source)  # OpenCV divides twice
    begin = np.arange(target) * size
    end = begin + size
    first = np.floor(begin).astype(np.int64)
    pixel = first + np.arange(int(np.ceil(size)) + 1)[:, None]
    under = np.minimum(np.minimum(end, pixel + 1), source) - np.maximum(begin, pixel)
    under[under <= _LEAST_SHARE] = 0
    share = under / np.minimum(size, source - begin)
    return pixel.clip(0, source - 1), share.astype(np.float32)


@lru_cache(maxsize=32)
def _linear_taps(
    source: int,
    target: int,
    at_end: bool,  # noqa: FBT001 - a key
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """(target,) each: two neighbours and their weights; `at_end` takes the border's pixel alone."""
    place = ((np.arange(target) + 0.5) * (source / target) - 0.5).astype(np.float32)
    first = np.floor(place)
    share = place - first
    if at_end:
        share[(first < 0) | (first >= source - 1)] = 0
    first = first.clip(0 if at_end else -1, source - 1).astype(np.int64)
    near, far = (np.rint(part * _LINEAR_SCALE).astype(np.int32) for part in (1 - share, share))
    return first.clip(0), (first + 1).clip(0, source - 1), near, far
