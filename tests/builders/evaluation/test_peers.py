from pathlib import Path

import numpy as np
import pytest

from builders.evaluation.cascade import Cascade, decode_boxes
from builders.evaluation.clip_recall import evaluate_clip, read_teacher
from builders.evaluation.coco_eval import evaluate
from builders.evaluation.labels import labelled_set
from builders.evaluation.movenet import MoveNetMultiPose, multipose_people
from builders.evaluation.people import on_pictures
from stream.geometry import letterbox

pytest.importorskip("onnxruntime")


def test_movenet_rows_become_source_pixels_and_empty_rows_vanish() -> None:
    rows = np.zeros((6, 56), np.float32)
    rows[2, :51] = np.tile([0.5, 0.25, 0.9], 17)
    rows[2, 55] = 0.7
    keypoints, scores = multipose_people(rows, letterbox(512, 512, 256, 256))
    np.testing.assert_allclose(scores, [0.7])
    assert keypoints.shape == (1, 17, 3)
    np.testing.assert_allclose(keypoints[0, 0], [128.5, 256.5, 0.9], atol=1e-4)


def test_yolox_rows_become_source_boxes_best_first_without_doubles() -> None:
    rows = np.zeros((3549, 85), np.float32)
    for row, objectness in ((2704 + 5, 0.6), (0, 0.8), (1, 0.9)):  # rows 2704.. have stride 16
        rows[row, :4] = [0, 0, np.log(10), np.log(10)]
        rows[row, 4], rows[row, 5] = objectness, 1.0
    rows[1, 0] = -1  # the same place as row 0
    boxes, scores = decode_boxes(rows, letterbox(832, 832, 416, 416), min_score=0.5)
    np.testing.assert_allclose(scores, [0.9, 0.6])
    np.testing.assert_allclose(boxes[0], [-80.5, -80.5, 160, 160], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("long_side", "name", "average_precision"),
    [
        (256, "coco_kp", 0.288),
        (256, "mixed_val", 0.370),
        (384, "coco_kp", 0.359),
        (384, "mixed_val", 0.342),
    ],
)
def test_movenet_reaches_the_figures_known_for_these_sets(
    shared_data: Path, long_side: int, name: str, average_precision: float
) -> None:
    movenet = MoveNetMultiPose(
        shared_data / "weights/movenet_multipose_lightning.onnx", long_side, threads=2
    )
    figures = evaluate(movenet, labelled_set(shared_data, name, "val"))
    assert figures["AP"] == pytest.approx(average_precision, abs=0.02)


@pytest.mark.slow
def test_the_teacher_finds_its_own_people_in_a_clip(shared_data: Path) -> None:
    weights = shared_data / "weights"
    teacher = Cascade(
        weights / "yolox_nano_416.onnx", weights / "movenet_singlepose_thunder.onnx", threads=2
    )
    name = "store_aisle_480x270_h264"
    labels = read_teacher(shared_data / f"labelled/video_pseudo/{name}.json")
    score = evaluate_clip(
        on_pictures(teacher), shared_data / f"videos/{name}.mp4", labels, min_score=0.35
    )
    assert score.found >= 0.95 * score.people
