"""A picture whose planes are torch tensors, on the GPU or, for tests, on the processor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engines.cuda_batch import import_torch
from engines.preprocessing.launch_tables import PictureAddress
from stream.errors import PoseError
from stream.picture import ColourSpace, Picture


@dataclass(frozen=True, slots=True, eq=False)
class TensorPicture:
    """One picture, 8-bit YUV 4:2:0; the tensors may be views with longer rows."""

    y: Any
    """uint8 (H, W) luma."""
    u: Any
    """uint8 (ceil(H/2), ceil(W/2)) blue difference."""
    v: Any
    """uint8 (ceil(H/2), ceil(W/2)) red difference; in the same layout as `u`."""
    colour_space: ColourSpace
    full_range: bool

    def __post_init__(self) -> None:
        """Refuses planes that do not belong together."""
        half = tuple((side + 1) // 2 for side in self.y.shape)
        shapes = [tuple(plane.shape) for plane in (self.y, self.u, self.v)]
        if shapes[1:] != [half, half] or self.y.stride(1) != 1:
            raise PoseError(f"picture planes: expected chroma {half} for luma, got {shapes}")
        if self.u.stride() != self.v.stride():
            raise PoseError("picture planes: u and v must lie in memory alike")

    @property
    def address(self) -> PictureAddress:
        """Where the kernels find it."""
        height, width = self.y.shape
        return PictureAddress(
            self.y.data_ptr(),
            width,
            height,
            self.y.stride(0),
            self.u.data_ptr(),
            self.v.data_ptr(),
            self.u.stride(0),
            self.u.stride(1),
            self.colour_space,
            self.full_range,
        )


def nv12_picture(y: Any, pairs: Any, space: ColourSpace, *, full_range: bool) -> TensorPicture:
    """From luma (H, W) and pairs of chroma (ceil(H/2), ceil(W/2), 2), as NVDEC gives them."""
    return TensorPicture(y, pairs[..., 0], pairs[..., 1], space, full_range)


def uploaded(picture: Picture, device: str) -> TensorPicture:
    """A copy of a picture of the host, in one block of the device.

    Pinned on its way to a GPU, so that the upload does not wait for the processor.
    """
    torch = import_torch()
    block = _one_block((picture.y, picture.u, picture.v))
    host = torch.from_numpy(block)
    if device != "cpu":
        host = host.pin_memory()
    there = host.to(device, non_blocking=True)
    planes = [picture.y, picture.u, picture.v]
    parts = there.split([plane.size for plane in planes])
    y, u, v = (part.view(plane.shape) for part, plane in zip(parts, planes, strict=True))
    return TensorPicture(y, u, v, picture.colour_space, picture.full_range)


def _one_block(planes: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    return np.concatenate([plane.reshape(-1) for plane in planes])
