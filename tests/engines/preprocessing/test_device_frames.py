"""Pictures that are taken over as tensors: on this processor, by the same code as on a GPU."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from engines.preprocessing.device_frames import TakenPlanes, TorchTaker
from engines.preprocessing.preprocessor import (
    DevicePreprocessor,
    TorchPreprocessor,
    open_preprocessor,
)
from engines.preprocessing.pycuda_kernels import PycudaKernels
from stream.clock import ManualClock
from stream.device_picture import DevicePicture
from stream.errors import EngineError
from stream.geometry import letterbox
from stream.ingest.decode_ladder import DecodeLadder, DecodeRung
from stream.ingest.laddered_reader import LadderedReader
from stream.ingest.video_address import file_address
from stream.ingest.video_hardware import has_nvidia_device
from stream.picture import to_canvas
from tests.engines.preprocessing.picture_cases import as_nv12, noise, worst
from tests.media import write_video
from tests.nv12_reader import Nv12Reader
from tests.reading import read_all

torch = pytest.importorskip("torch", reason="posestream[gpu] is not installed")

no_gpu = pytest.mark.skipif(has_nvidia_device(), reason="there is an NVIDIA GPU here")


def test_from_decoder_to_canvas_no_pixel_comes_to_the_processor(tmp_path: Path) -> None:
    path, taker = write_video(tmp_path / "walk.mp4"), TorchTaker("cpu")
    address, clock = file_address(path), ManualClock()
    reader = LadderedReader(
        lambda _rung: Nv12Reader(address, thread_count=1, max_pixels=10_000_000),
        DecodeLadder(DecodeRung.ZERO_COPY),
        stream=str(clock.wall()),
        is_live=False,
        taker=taker,
    )
    with closing(reader):
        pictures = [decoded.picture for decoded in reader.frames()]
    planes = [picture.device for picture in pictures if isinstance(picture, DevicePicture)]
    there = [one.picture for one in planes if isinstance(one, TakenPlanes)]
    assert len(there) == len(pictures) == 30

    place = letterbox(pictures[0].width, pictures[0].height, 96, 64)
    canvases = TorchPreprocessor().canvases(there, [(n, place) for n in range(len(there))])
    assert taker.copies.pictures == 0
    for canvas, frame in zip(canvases, read_all(path), strict=True):
        assert worst(canvas.numpy(), to_canvas(frame.picture, place)) <= 2


def test_a_picture_is_fetched_once_and_counted_when_somebody_looks() -> None:
    picture, taker = noise(40, 30, 5), TorchTaker("cpu")
    luma, pairs = as_nv12(picture, 0).memory
    taker.make_current()
    taken = taker.take(
        torch.from_numpy(luma).__dlpack__(),
        torch.from_numpy(pairs.reshape(15, 20, 2)).__dlpack__(),
        picture.colour_space,
        full_range=picture.full_range,
    )
    luma[:] = 0  # the decoder uses its surface again
    assert (taken.width, taken.height, taker.copies.pictures) == (40, 30, 0)
    for name in ("y", "u", "v"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(picture, name))
    assert taker.copies.pictures == 1
    place = letterbox(40, 30, 24, 24)
    np.testing.assert_array_equal(to_canvas(taken, place), to_canvas(picture, place))


@no_gpu
def test_without_a_gpu_the_kernels_say_what_is_missing_and_torch_takes_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(EngineError, match=r"PyCUDA cannot be used .*posestream\[pycuda\]"):
        PycudaKernels()
    opened: DevicePreprocessor = open_preprocessor()
    assert opened.name == "torch"
    assert [record.message for record in caplog.records] == ["preprocessing_fallback"]
    opened.close()
