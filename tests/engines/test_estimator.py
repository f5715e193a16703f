from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.artefact import Artefact, Thresholds
from engines.bucket_engine import BucketEngine
from engines.canvas_stage import Canvas
from engines.engine import Engine, EngineSpec, Precision, Tensors
from engines.estimator import OnePassEstimator
from engines.open_engine import open_engine
from engines.replay_engine import ReplayEngine
from stream.clock import ManualClock
from stream.errors import ConfigError, EngineError
from stream.frame import Frame
from stream.picture import Picture, picture_from_rgb
from stream.pose import FramePoses
from tests.tiny_model import OFFSETS_PX, draw_people, score_of


class TickingClock(ManualClock):
    """A second passes at each reading."""

    def monotonic(self) -> float:
        self.advance(1.0)
        return super().monotonic()


def frame(rgb: NDArray[np.uint8], index: int = 0) -> Frame:
    return Frame("door", 0, index, index / 25, 0.0, picture_from_rgb(rgb))


@pytest.fixture
def estimator(tiny_artefact: Artefact) -> Iterator[OnePassEstimator]:
    def make_engine(canvas: Canvas) -> Engine:
        return open_engine(tiny_artefact, canvas=canvas, threads=1, precision=Precision.FP32)

    estimator = OnePassEstimator(tiny_artefact, make_engine, clock=ManualClock(), batch_size=2)
    yield estimator
    estimator.close()


def replaying(artefact: Artefact, *recorded: Tensors) -> OnePassEstimator:
    """An estimator whose model says what we want."""
    return OnePassEstimator(
        artefact,
        lambda canvas: ReplayEngine(artefact.manifest, canvas, recorded),
        clock=ManualClock(),
    )


def recording(score: float = 0.0, confidence: float = 0.0) -> dict[str, NDArray[np.float32]]:
    """Outputs with one candidate; all others score 0."""
    scores = np.zeros(30, np.float32)
    scores[0] = score
    keypoints = np.zeros((30, 17, 3), np.float32)
    keypoints[..., :2] = OFFSETS_PX + 64
    keypoints[..., 2] = confidence
    return {"keypoints": keypoints, "scores": scores}


def middles(poses: FramePoses) -> list[tuple[float, float]]:
    """(x, y) of the squares, from joint 0."""
    return [tuple(np.round(pose.keypoints_px[0] - OFFSETS_PX[0], 2)) for pose in poses.poses]


def test_keypoints_come_in_pixels_of_the_frame(estimator: OnePassEstimator) -> None:
    (found,) = estimator.estimate([frame(draw_people(128, 96, {(30, 40): 255, (80, 20): 200}), 7)])
    assert (found.stream, found.epoch, found.index) == ("door", 0, 7)
    assert middles(found) == [(30, 40), (80, 20)]
    assert [pose.score for pose in found.poses] == pytest.approx([1, score_of(200)], abs=0.02)
    assert found.poses[0].confidence[16] == pytest.approx(0.5, abs=0.01)


def test_a_larger_frame_is_letterboxed_and_mapped_back(estimator: OnePassEstimator) -> None:
    small = draw_people(160, 80, {(30, 40): 255})  # on 160x96: bars of 8 above and below
    (found,) = estimator.estimate([frame(small.repeat(4, axis=0).repeat(4, axis=1))])
    (pose,) = found.poses
    # Canvas pixel (x, y) covers 4 x 4 source pixels, the middle of which is 4 x + 1.5.
    expected = np.array([30, 40]) * 4 + 1.5 + OFFSETS_PX * 4
    np.testing.assert_allclose(pose.keypoints_px, expected, atol=0.01)


def test_frames_of_several_sizes_in_one_batch_keep_their_order(
    estimator: OnePassEstimator,
) -> None:
    sizes = [(128, 96), (96, 128), (128, 96), (96, 128), (128, 96)]
    people: list[tuple[int, int]] = [(10 + 10 * index, 40) for index in range(5)]
    frames = [
        frame(draw_people(*size, {person: 255}), index)
        for index, (size, person) in enumerate(zip(sizes, people, strict=True))
    ]
    found = estimator.estimate(frames)
    assert [poses.index for poses in found] == [0, 1, 2, 3, 4]
    assert [middles(poses) for poses in found] == [[person] for person in people]
    assert {spec.canvas for spec in estimator.engine_specs} == {(128, 96), (96, 128)}


def test_doubles_are_one_person_and_the_better_one_stays(estimator: OnePassEstimator) -> None:
    (found,) = estimator.estimate([frame(draw_people(128, 96, {(30, 40): 200, (38, 40): 255}))])
    assert middles(found) == [(38, 40)]


def test_what_scores_too_little_is_nobody(estimator: OnePassEstimator) -> None:
    (found,) = estimator.estimate([frame(draw_people(128, 96, {(30, 40): 140}))])
    assert found.poses == ()


def test_no_frames_give_no_poses_and_open_no_engine(estimator: OnePassEstimator) -> None:
    assert estimator.estimate([]) == []
    assert estimator.engine_specs == ()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 700), (4000, 8)])
def test_odd_pictures_are_estimated(estimator: OnePassEstimator, width: int, height: int) -> None:
    (found,) = estimator.estimate([frame(np.full((height, width, 3), 20, np.uint8))])
    assert found.poses == ()


@pytest.mark.parametrize("name", ["keypoints", "scores"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_from_a_model_is_an_error_that_names_the_frame(
    tiny_artefact: Artefact, name: str, value: float
) -> None:
    outputs = recording(score=0.9, confidence=0.9)
    outputs[name][-1] = value
    with pytest.raises(EngineError, match=f"NaN or infinity in {name} for door epoch 0 frame 3"):
        replaying(tiny_artefact, outputs).estimate([frame(draw_people(128, 96, {}), 3)])


def test_scores_and_confidences_are_cut_to_their_range(tiny_artefact: Artefact) -> None:
    outputs = recording(score=1.2, confidence=1.5)
    outputs["keypoints"][0, 0, 2] = -0.5
    (found,) = replaying(tiny_artefact, outputs).estimate([frame(draw_people(128, 96, {}))])
    (pose,) = found.poses
    assert pose.score == 1
    assert (pose.confidence.min(), pose.confidence.max()) == (0, 1)


def test_keypoints_outside_the_frame_stay_there(tiny_artefact: Artefact) -> None:
    outputs = recording(score=0.9, confidence=0.9)
    (found,) = replaying(tiny_artefact, outputs).estimate([frame(draw_people(128, 96, {}))])
    assert found.poses[0].keypoints_px.min() == -16


def test_an_observer_is_told_the_seconds_of_each_stage(tiny_artefact: Artefact) -> None:
    heard: list[tuple[str, float]] = []
    estimator = OnePassEstimator(
        tiny_artefact,
        lambda canvas: ReplayEngine(tiny_artefact.manifest, canvas, [recording()] * 3),
        clock=TickingClock(),
        batch_size=2,
        observe=lambda stage, seconds: heard.append((stage, seconds)),
    )
    estimator.estimate([frame(draw_people(128, 96, {}), index) for index in range(3)])
    # Handing over and waiting: a tick each.
    assert heard == [("pre", 1), ("infer", 2), ("post", 1)] * 2


def test_a_failing_engine_gives_no_frame_poses(tiny_artefact: Artefact) -> None:
    estimator = replaying(tiny_artefact, recording())
    with pytest.raises(EngineError, match="no recording"):
        estimator.estimate([frame(draw_people(128, 96, {}), index) for index in range(2)])


def test_a_closed_estimator_refuses_and_closing_twice_is_quiet(
    estimator: OnePassEstimator,
) -> None:
    estimator.estimate([frame(draw_people(128, 96, {}))])
    estimator.close()
    estimator.close()
    assert estimator.engine_specs == ()
    with pytest.raises(EngineError, match="estimator of model tiny was closed"):
        estimator.estimate([])


def test_ten_thousand_sizes_open_no_more_engines_than_there_are_canvases(
    tiny_artefact: Artefact,
) -> None:
    def make_engine(canvas: Canvas) -> Engine:
        spec = EngineSpec("plain", "1", "tiny", Precision.FP32, 1, canvas)
        nobody = {name: values[None] for name, values in recording().items()}
        return BucketEngine(spec, tiny_artefact.manifest, lambda _inputs: nobody)

    estimator = OnePassEstimator(tiny_artefact, make_engine, clock=ManualClock())
    plane = np.zeros((100, 100), np.uint8)
    for width in range(1, 101):
        for height in range(1, 101):
            half = plane[: (height + 1) // 2, : (width + 1) // 2]
            picture = Picture(plane[:height, :width], half, half)
            estimator.estimate([Frame("door", 0, 0, 0.0, 0.0, picture)])
    assert len(estimator.engine_specs) == len(tiny_artefact.manifest.canvases)


def test_a_batch_of_nothing_is_a_wrong_setting(tiny_artefact: Artefact) -> None:
    with pytest.raises(ConfigError, match="batch_size: expected 1 or more, got 0"):
        OnePassEstimator(
            tiny_artefact,
            lambda canvas: open_engine(tiny_artefact, canvas=canvas),
            clock=ManualClock(),
            batch_size=0,
        )


def test_a_model_with_soft_suppression_gives_lowered_scores(tiny_artefact: Artefact) -> None:
    soft = Thresholds(min_score=0.1, soft_nms_iou=0.3)
    manifest = tiny_artefact.manifest.model_copy(update={"thresholds": soft})
    outputs = recording(score=0.8, confidence=0.5)
    outputs["scores"][1] = 0.6
    outputs["keypoints"][1, :, 0] += 61  # boxes 121 px wide: IoU 60 / 182
    estimator = replaying(Artefact(tiny_artefact.folder, manifest), outputs)
    (found,) = estimator.estimate([frame(draw_people(128, 96, {}))])
    scores = [pose.score for pose in found.poses]
    assert scores == pytest.approx([0.8, 0.6 * (1 - 60 / 182)])
