"""The drawn people through graphs of every stage."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engines.artefact import CONTRACTS, NO_PICTURE, Manifest, StageName
from engines.bucket_engine import BucketEngine
from engines.certification.agreement import Candidates, compare
from engines.certification.candidates import find_candidates, least_score, sigmas_of
from engines.certification.picture_set import PictureSet, drawn_set
from engines.certification.probe import probe_inputs
from engines.engine import EngineSpec, Precision, Tensors
from stream.errors import ConfigError
from tests.tiny_model import pose_at, tiny_manifest

CROP = (96, 128)
PEOPLE = 22


def manifest_of(stage: StageName) -> Manifest:
    suppression = {"one_pass": {"nms_oks": 0.6}, "detector": {"nms_iou": 0.6}}.get(stage, {})
    inputs, outputs = CONTRACTS[stage]
    fields: dict[str, Any] = tiny_manifest() | {
        "stage": stage,
        "inputs": inputs,
        "outputs": outputs,
        "canvases": [NO_PICTURE if stage == "scorer" else CROP],
        "thresholds": {"min_score": 0.4, **suppression},
    }
    return Manifest.model_validate(fields)


def detector(inputs: Tensors) -> Tensors:
    """One box and its double, in every picture."""
    count = len(inputs["canvas"])
    boxes = np.array([[10, 10, 50, 90], [11, 10, 50, 90], [0, 0, 5, 5]], np.float32)
    scores = np.array([0.9, 0.8, 0.1], np.float32)
    return {"boxes": np.tile(boxes, (count, 1, 1)), "scores": np.tile(scores, (count, 1))}


def one_pass(inputs: Tensors) -> Tensors:
    count = len(inputs["canvas"])
    poses = np.stack([pose_at(40, 60, 255), pose_at(40, 60, 250)])
    scores = np.array([0.9, 0.8], np.float32)
    return {"keypoints": np.tile(poses, (count, 1, 1, 1)), "scores": np.tile(scores, (count, 1))}


def top_down(inputs: Tensors) -> Tensors:
    return {"keypoints": np.tile(pose_at(48, 64, 255), (len(inputs["crops"]), 1, 1))}


def refiner(inputs: Tensors) -> Tensors:
    return {"keypoints": inputs["poses"].astype(np.float32)}


def scorer(inputs: Tensors) -> Tensors:
    return {"rescored": 0.5 * inputs["scores"].astype(np.float32)}


GRAPHS: dict[StageName, tuple[Callable[[Tensors], Tensors], int]] = {
    "detector": (detector, 8),
    "one_pass": (one_pass, 8),
    "top_down": (top_down, PEOPLE),
    "refiner": (refiner, PEOPLE),
    "scorer": (scorer, PEOPLE),
}
"""Stage -> a graph, and how many people it finds among the drawn ones."""


@pytest.mark.parametrize("stage", GRAPHS)
def test_every_stage_gives_people_that_can_be_compared(stage: StageName) -> None:
    graph, expected = GRAPHS[stage]
    manifest = manifest_of(stage)
    canvas = manifest.canvases[0]
    spec = EngineSpec("plain", "1", "tiny", Precision.FP32, 1, canvas, batches=(3,))
    engine = BucketEngine(spec, manifest, graph)
    people = find_candidates(engine, manifest, drawn_set())
    found = compare(people, people, min_score=least_score(manifest), sigmas=sigmas_of(manifest))
    assert (found.people, found.missed, found.extra) == (expected, 0, 0)
    assert found.mean_oks == pytest.approx(1)


def test_a_crop_holds_the_whole_person_and_a_refiner_gets_joints_a_little_off() -> None:
    inputs = probe_inputs(manifest_of("refiner"), drawn_set(), CROP)
    assert inputs["crops"].shape == (PEOPLE, 128, 96, 3)
    poses = inputs["poses"].astype(np.float32)
    assert poses.shape == (PEOPLE, 17, 3)
    inside = (poses[..., :2] > 0) & (poses[..., :2] < np.array(CROP))
    assert inside.mean() > 0.99
    again = probe_inputs(manifest_of("refiner"), drawn_set(), CROP)["poses"]
    np.testing.assert_array_equal(poses, again)


def test_pictures_of_unknown_people_are_one_crop_each_and_nothing_for_a_refiner() -> None:
    pictures = PictureSet("mine", drawn_set().pictures[:2])
    assert probe_inputs(manifest_of("top_down"), pictures, CROP)["crops"].shape[0] == 2
    with pytest.raises(ConfigError, match="a refiner or a scorer needs poses"):
        probe_inputs(manifest_of("refiner"), pictures, CROP)


def test_a_hundredth_of_a_score_is_a_pixel() -> None:
    manifest = manifest_of("scorer")
    spec = EngineSpec("plain", "1", "tiny", Precision.FP32, 1, NO_PICTURE, batches=(1,))

    def people_scored(value: float) -> list[Candidates]:
        def graph(_: Tensors) -> Tensors:
            return {"rescored": np.array([value], np.float32)}

        return find_candidates(BucketEngine(spec, manifest, graph), manifest, drawn_set())

    found = compare(
        people_scored(1.0),
        people_scored(0.98),
        min_score=least_score(manifest),
        sigmas=sigmas_of(manifest),
    )
    assert found.worst_px == pytest.approx(2, abs=1e-3)
    assert found.mean_px == pytest.approx(1, abs=1e-3)  # of two corners one stays
