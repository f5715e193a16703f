"""Pictures that are tensors, through whole estimators: on this processor, as on a GPU."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from engines.artefact import Artefact
from engines.crop_stage import CropStage, PeopleInFrame
from engines.engine import Precision
from engines.engine_options import EngineOptions
from engines.estimator import OnePassEstimator
from engines.openvino_engine import open_openvino
from engines.preprocessing.device_frames import HostCopies, TorchTaker
from engines.watched_engine import WatchedEngine
from stream.clock import ManualClock
from stream.frame import Frame
from stream.picture import picture_from_rgb
from stream.pixel_copies import CopyStep, TrafficCounts
from tests.tiny_model import draw_people
from tests.tiny_top_down import write_tiny_top_down

torch = pytest.importorskip("torch", reason="posestream[gpu] is not installed")

CANVAS = (128, 96)


def frame_of(index: int, people: dict[tuple[int, int], int]) -> Frame:
    picture = picture_from_rgb(draw_people(*CANVAS, people))
    return Frame("door", 0, index, index / 25, 0.0, picture)


def on_device(frame: Frame, taker: TorchTaker) -> Frame:
    picture = frame.picture
    pairs = torch.from_numpy(np.stack([picture.u, picture.v], -1))
    luma = torch.from_numpy(picture.y.copy())
    taken = taker.take(
        luma.__dlpack__(), pairs.__dlpack__(), picture.colour_space, full_range=picture.full_range
    )
    return replace(frame, picture=taken)


def test_frames_on_the_device_give_the_same_people_and_are_never_fetched(
    tiny_artefact: Artefact,
) -> None:
    frames = [frame_of(0, {(30, 40): 255}), frame_of(1, {}), frame_of(2, {(64, 48): 230})]
    fetched = TrafficCounts()
    taker = TorchTaker("cpu", HostCopies(tell=fetched.copied))
    options = EngineOptions(batches=(2,))
    opened = partial(open_openvino, tiny_artefact, precision=Precision.FP32, options=options)
    counts = TrafficCounts()
    estimator = OnePassEstimator(
        tiny_artefact,
        lambda canvas: WatchedEngine(opened(canvas=canvas), counts),
        clock=ManualClock(),
        batch_size=3,
    )
    expected = estimator.estimate(frames)
    assert counts.pictures == {CopyStep.RENDER: 3}
    counts.forget()
    found = estimator.estimate([on_device(frame, taker) for frame in frames])
    assert not counts.pictures
    assert counts.result_bytes == {"tiny": 3 * estimator.engine_specs[0].result_bytes}
    mixed = estimator.estimate([on_device(frames[0], taker), *frames[1:]])
    estimator.close()
    for one, other, third in zip(expected, found, mixed, strict=True):
        assert len(one.poses) == len(other.poses) == len(third.poses)
        for pose, same in zip(one.poses, other.poses, strict=True):
            np.testing.assert_array_equal(pose.keypoints_px, same.keypoints_px)
    assert sum(len(one.poses) for one in expected) == 2
    # A batch of which some are here and some there is made here.
    assert taker.copies.pictures == 1
    assert fetched.pictures == {CopyStep.FETCH: 1}
    assert fetched.copied_bytes == {CopyStep.FETCH: CANVAS[0] * CANVAS[1] * 3 // 2}


@pytest.mark.parametrize("stage", ["top_down", "refiner"])
def test_crops_are_cut_on_the_device(stage: Literal["top_down", "refiner"], tmp_path: Path) -> None:
    artefact = write_tiny_top_down(tmp_path / stage, stage)
    frames = [frame_of(0, {(30, 40): 255}), frame_of(1, {(64, 48): 230})]
    boxes = np.array([[10, 10, 60, 70], [40, 20, 90, 80]], np.float32)
    poses = np.zeros((2, 17, 3), np.float32)
    taker = TorchTaker("cpu")

    def find(seen: list[Frame]) -> list[np.ndarray[Any, Any]]:
        return cut.run([PeopleInFrame(frame, boxes, poses) for frame in seen])

    opened = partial(open_openvino, artefact, precision=Precision.FP32)
    cut = CropStage(artefact, stage, lambda canvas: opened(canvas=canvas), clock=ManualClock())
    expected, found = find(frames), find([on_device(frame, taker) for frame in frames])
    cut.close()
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, atol=0.5)
    assert taker.copies.pictures == 0
