"""The seam between pictures on a GPU and what makes canvases and crops of them there."""

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from engines.cuda_batch import cuda_errors
from engines.preprocessing.pycuda_kernels import PycudaKernels
from engines.preprocessing.tensor_picture import TensorPicture
from engines.preprocessing.torch_twin import twin_canvases, twin_crops
from stream.errors import EngineError
from stream.geometry import CropAffine, Letterbox

log = logging.getLogger(__name__)


class DevicePreprocessor(Protocol):
    """Makes what graphs take, where the pictures are; one caller at a time."""

    name: str

    def canvases(
        self, pictures: Sequence[TensorPicture], places: Sequence[tuple[int, Letterbox]]
    ) -> Any:
        """uint8 (N, canvas height, canvas width, 3) RGB, as `stream.picture.to_canvas` has it.

        Args:
            pictures: all on one device.
            places: number of the picture, and its letterbox; all of one canvas, at least one.

        Raises:
            EngineError: if the device fails.
        """
        ...

    def crops(
        self, pictures: Sequence[TensorPicture], places: Sequence[tuple[int, CropAffine]]
    ) -> Any:
        """uint8 (N, crop height, crop width, 3) RGB, as `stream.crops.cut_crops` cuts them.

        Args:
            pictures: all on one device.
            places: number of the picture, and where its crop lies; all of one size, at least one.

        Raises:
            EngineError: if the device fails.
        """
        ...

    def close(self) -> None:
        """Frees the device; a second call does nothing."""
        ...


class TorchPreprocessor:
    """Implements `DevicePreprocessor` with torch's own operations, on any of its devices."""

    name = "torch"

    def canvases(
        self, pictures: Sequence[TensorPicture], places: Sequence[tuple[int, Letterbox]]
    ) -> Any:
        """See `DevicePreprocessor.canvases`."""
        with cuda_errors():
            return twin_canvases(pictures, places)

    def crops(
        self, pictures: Sequence[TensorPicture], places: Sequence[tuple[int, CropAffine]]
    ) -> Any:
        """See `DevicePreprocessor.crops`."""
        with cuda_errors():
            return twin_crops(pictures, places)

    def close(self) -> None:
        """See `DevicePreprocessor.close`."""


def open_preprocessor() -> DevicePreprocessor:
    """The kernels where PyCUDA can run them, else torch, with the reason in the log."""
    try:
        return PycudaKernels()
    except EngineError as error:
        log.warning("preprocessing_fallback", extra={"instead": "torch", "reason": str(error)})
        return TorchPreprocessor()
