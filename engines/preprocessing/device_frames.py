"""Takes pictures over from NVIDIA's decoder, on the GPU; implements `stream.device_picture`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engines.cuda_batch import cuda_errors, import_torch
from engines.preprocessing.preprocessor import DevicePreprocessor, TorchPreprocessor
from engines.preprocessing.tensor_picture import TensorPicture, nv12_picture
from stream.device_picture import DevicePicture
from stream.picture import ColourSpace, Picture, Plane
from stream.pixel_copies import CopyStep, TellCopies, tell_nobody_of_copies


@dataclass
class HostCopies:
    """Pictures that came to the processor after all; nobody looks at them on a zero-copy path."""

    pictures: int = 0
    tell: TellCopies = tell_nobody_of_copies

    def fetched(self, size_bytes: int) -> None:
        """One more, of so many bytes."""
        self.pictures += 1
        self.tell(CopyStep.FETCH, 1, size_bytes)


@dataclass(frozen=True, slots=True, eq=False)
class TakenPlanes:
    """Implements `DevicePlanes`."""

    picture: TensorPicture
    copies: HostCopies
    preprocessor: DevicePreprocessor
    """Makes canvases and crops of it, where it is."""

    @property
    def width(self) -> int:
        """See `DevicePlanes.width`."""
        return int(self.picture.y.shape[1])

    @property
    def height(self) -> int:
        """See `DevicePlanes.height`."""
        return int(self.picture.y.shape[0])

    def download(self) -> tuple[Plane, Plane, Plane]:
        """See `DevicePlanes.download`."""
        planes = (self.picture.y, self.picture.u, self.picture.v)
        self.copies.fetched(sum(int(plane.nbytes) for plane in planes))
        with cuda_errors():
            y, u, v = (np.ascontiguousarray(plane.cpu().numpy()) for plane in planes)
        return y, u, v


@dataclass
class TorchTaker:
    """Implements `DeviceTaker`: one copy, made on the device."""

    device: str = "cuda"
    """The processor, in tests."""
    copies: HostCopies = field(default_factory=HostCopies)
    open_preprocessor: Callable[[], DevicePreprocessor] = TorchPreprocessor
    """Called when the first picture comes: the decoder must be the first on the GPU."""
    _preprocessor: DevicePreprocessor | None = None

    def make_current(self) -> None:
        """See `DeviceTaker.make_current`; a tensor makes torch's context current."""
        with cuda_errors():
            import_torch().zeros(1, device=self.device)

    def take(
        self, luma: object, chroma: object, space: ColourSpace, *, full_range: bool
    ) -> DevicePicture:
        """See `DeviceTaker.take`."""
        torch = import_torch()
        with cuda_errors():
            # The bare capsules are read as they are: no stream was agreed on with the decoder. It
            # works on the context's own stream, which is torch's current one unless somebody sets
            # another: its work is over before the copy, and that before it gets its surface back.
            self._wait(torch)
            y, pairs = (torch.from_dlpack(capsule).clone() for capsule in (luma, chroma))
            self._wait(torch)
        picture = nv12_picture(y, pairs, space, full_range=full_range)
        if self._preprocessor is None:
            self._preprocessor = self.open_preprocessor()
        planes = TakenPlanes(picture, self.copies, self._preprocessor)
        return DevicePicture(planes, space, full_range=full_range)

    def close(self) -> None:
        """Frees what makes canvases and crops; a second call does nothing."""
        if self._preprocessor is not None:
            self._preprocessor.close()
            self._preprocessor = None

    def _wait(self, torch: Any) -> None:
        if self.device != "cpu":
            # Not for the whole device: batches of the engine are under way on streams of theirs.
            torch.cuda.current_stream().synchronize()


def taken_planes(pictures: Sequence[Picture]) -> list[TakenPlanes] | None:
    """What is on the device of the pictures; None if one of them is not there."""
    devices = [one.device for one in pictures if isinstance(one, DevicePicture)]
    taken = [one for one in devices if isinstance(one, TakenPlanes)]
    return taken if taken and len(taken) == len(pictures) else None
