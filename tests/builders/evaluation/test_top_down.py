from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from builders.evaluation.people import Boxes, Rgb
from builders.evaluation.top_down import (
    CropModel,
    flip_tested,
    predict_in_boxes,
    predict_refined,
    scored_people,
)
from engines.engine import Precision
from engines.open_engine import EngineName, open_engine
from stream.skeleton import COCO_17
from tests.builders.evaluation.labelled import people, person_at
from tests.tiny_model import OFFSETS_PX, draw_people
from tests.tiny_top_down import CONFIDENCE, CROP, CropStage, write_tiny_top_down

WIDTH, HEIGHT = 320, 240
BOX = np.array([76.8, 102.4], np.float32)
"""Sides that are cropped at their own size."""


def opened(folder: Path, stage: CropStage, engine: EngineName) -> CropModel:
    artefact = write_tiny_top_down(folder / stage, stage)
    chosen = open_engine(artefact, engine=engine, canvas=CROP, threads=1, precision=Precision.FP32)
    return CropModel(artefact.manifest, chosen)


@pytest.fixture(scope="module", params=[EngineName.OPENVINO, EngineName.ONNXRUNTIME])
def models(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[CropModel, CropModel]]:
    """A top-down model and a refiner."""
    folder = tmp_path_factory.mktemp("models")
    pair = (
        opened(folder, "top_down", request.param),
        opened(folder, "refiner", request.param),
    )
    yield pair
    for model in pair:
        model._engine.close()


def around(x: float, y: float) -> np.ndarray:
    """(17, 2) the joints of a person in whose middle the spot is."""
    return np.add(OFFSETS_PX, [x, y], dtype=np.float64)


def boxes_around(*middles: tuple[float, float]) -> Boxes:
    places = np.array(middles, np.float32).reshape(-1, 2)
    found = np.concatenate([places - BOX / 2, np.tile(BOX, (len(places), 1))], -1)
    return found.astype(np.float32), np.ones(len(places), np.float32)


def picture(*middles: tuple[int, int]) -> Rgb:
    return draw_people(WIDTH, HEIGHT, dict.fromkeys(middles, 250))


def test_poses_come_back_in_pixels_of_the_picture(models: tuple[CropModel, CropModel]) -> None:
    middles = ((100, 90), (220, 130))
    rgb, (boxes, _) = picture(*middles), boxes_around(*middles)
    poses = models[0].poses(rgb, boxes)
    for pose, middle in zip(poses, middles, strict=True):
        np.testing.assert_allclose(pose[:, :2], around(*middle), atol=1e-3)
        np.testing.assert_allclose(pose[:, 2], CONFIDENCE)


def test_a_box_of_another_size_is_scaled_to_the_crop(models: tuple[CropModel, CropModel]) -> None:
    rgb = np.kron(picture((100, 90))[: HEIGHT // 2, : WIDTH // 2], np.ones((2, 2, 1), np.uint8))
    boxes, _ = boxes_around((200, 180))
    boxes = np.concatenate([np.array([[200, 180]], np.float32) - BOX, 2 * BOX[None]], -1)
    [pose] = models[0].poses(rgb, boxes)
    # A pixel i became pixels 2i and 2i + 1; the crop samples every second one.
    np.testing.assert_allclose(pose[:, :2], 2 * OFFSETS_PX + (200, 180), atol=1.01)


def test_no_boxes_no_people(models: tuple[CropModel, CropModel]) -> None:
    predict = predict_in_boxes(lambda *_: boxes_around(), models[0])
    keypoints, scores = predict(1, picture())
    assert keypoints.shape == (0, 17, 3)
    assert scores.shape == (0,)


def test_the_flip_test_averages_both_views(models: tuple[CropModel, CropModel]) -> None:
    boxes, _ = boxes_around((100, 90))
    [pose] = flip_tested(models[0], picture((100, 90)), boxes)
    # The model draws the same grid in the mirror image, where left joints are right ones.
    mirrored = OFFSETS_PX[COCO_17.flip_order()] * [-1, 1]
    expected = around(100, 90) + (mirrored - OFFSETS_PX) / 2
    np.testing.assert_allclose(pose[:, :2], expected, atol=1e-3)


def test_a_refiner_sees_the_pose_it_is_given_and_keeps_its_confidence(
    models: tuple[CropModel, CropModel],
) -> None:
    wrong = np.column_stack([around(104, 85), np.full(17, 0.7)]).astype(np.float32)
    predict = predict_refined(lambda *_: people((wrong, 0.6)), models[1])
    keypoints, scores = predict(1, picture((100, 90)))
    # Its crop is larger than the pose, so a pixel of the crop is about 2 of the picture.
    np.testing.assert_allclose(keypoints[0, :, :2], around(100, 90), atol=2)
    np.testing.assert_allclose(keypoints[0, :, 2], 0.7, atol=1e-6)
    np.testing.assert_allclose(scores, [0.6])


def test_a_cascade_refines_what_it_found(models: tuple[CropModel, CropModel]) -> None:
    predict = predict_in_boxes(lambda *_: boxes_around((100, 90)), *models)
    keypoints, scores = predict(1, picture((100, 90)))
    np.testing.assert_allclose(keypoints[0, :, :2], around(100, 90), atol=2)
    np.testing.assert_allclose(scores, [CONFIDENCE], atol=1e-6)


def test_a_score_is_the_boxs_times_the_mean_of_the_joints_seen() -> None:
    sure, unsure = person_at(0, 0), person_at(300, 0)
    sure[:, 2] = 0.8
    unsure[:, 2] = [0.6] * 5 + [0.02] * 12
    nothing = unsure.copy()
    nothing[:, :2] += 500
    nothing[:, 2] = 0.02
    keypoints = np.stack([unsure, sure, nothing]).astype(np.float32)
    found, scores = scored_people(
        keypoints, np.array([0.9, 0.5, 1.0], np.float32), np.full(3, 1e4), COCO_17
    )
    np.testing.assert_allclose(scores, [0.54, 0.4, 0], atol=1e-6)
    np.testing.assert_array_equal(found[0], keypoints[0])


def test_of_two_people_at_one_place_the_better_stays() -> None:
    person = person_at(0, 0)
    person[:, 2] = 0.8
    found, scores = scored_people(
        np.stack([person, person]), np.array([0.3, 0.9], np.float32), np.full(2, 1e4), COCO_17
    )
    assert len(found) == 1
    np.testing.assert_allclose(scores, [0.72], atol=1e-6)
