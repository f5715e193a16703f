import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.artefact import MANIFEST_NAME, Artefact, load_artefact
from engines.detector import Detector, PersonBoxes
from engines.engine import Tensors
from engines.estimator import OnePassEstimator
from engines.replay_engine import ReplayEngine
from stream.clock import ManualClock
from stream.errors import ConfigError, EngineError
from stream.frame import Frame
from stream.picture import picture_from_rgb
from tests.tiny_model import tiny_manifest, write_tiny_artefact

OUTPUTS = [
    {"name": "boxes", "dtype": "float32", "shape": [None, 4, 4]},
    {"name": "scores", "dtype": "float32", "shape": [None, 4]},
]
DETECTOR = {
    "stage": "detector",
    "outputs": OUTPUTS,
    "thresholds": {"min_score": 0.3, "nms_iou": 0.5},
}


@pytest.fixture
def artefact(tmp_path: Path) -> Artefact:
    folder = write_tiny_artefact(tmp_path / "boxes").folder
    manifest = json.loads((folder / MANIFEST_NAME).read_text("utf-8"))
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest | DETECTOR), "utf-8")
    return load_artefact(folder)


def replaying(artefact: Artefact, *recorded: Tensors, batch_size: int = 1) -> Detector:
    """A detector whose model says what we want."""
    return Detector(
        artefact,
        lambda canvas: ReplayEngine(artefact.manifest, canvas, recorded),
        clock=ManualClock(),
        batch_size=batch_size,
    )


def recording(boxes: list[list[float]], scores: list[float]) -> Tensors:
    """Outputs for one picture; missing candidates score 0."""
    filled = np.zeros((4, 4), np.float32)
    filled[: len(boxes)] = np.reshape(boxes, (-1, 4))
    values = np.zeros(4, np.float32)
    values[: len(scores)] = scores
    return {"boxes": filled, "scores": values}


def frame(width: int, height: int, index: int = 0) -> Frame:
    rgb: NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
    return Frame("door", 0, index, index / 25, 0.0, picture_from_rgb(rgb))


def detect(artefact: Artefact, recorded: Tensors, width: int, height: int) -> PersonBoxes:
    (found,) = replaying(artefact, recorded).detect([frame(width, height)])
    return found


def test_doubles_and_weak_boxes_go_and_the_best_comes_first(artefact: Artefact) -> None:
    boxes = [[10.0, 10.0, 30.0, 60.0], [12.0, 11, 31, 62], [60.0, 20, 90, 70], [0.0, 0, 9, 9]]
    found = detect(artefact, recording(boxes, [0.6, 0.7, 0.9, 0.2]), 128, 96)
    np.testing.assert_allclose(found.boxes_px, [boxes[2], boxes[1]])
    np.testing.assert_allclose(found.scores, [0.9, 0.7], rtol=1e-6)


def test_boxes_come_in_pixels_of_the_frame_and_end_at_its_edges(artefact: Artefact) -> None:
    # 640 x 320 lies on 160 x 96 at a quarter, with bars of 8 px above and below.
    found = detect(artefact, recording([[-0.5, 0, 39.5, 47.5]], [0.9]), 640, 320)
    np.testing.assert_allclose(found.boxes_px, [[-0.5, -0.5, 159.5, 159.5]], atol=1e-4)


def test_nobody_is_an_empty_entry(artefact: Artefact) -> None:
    found = detect(artefact, recording([], []), 128, 96)
    assert found.boxes_px.shape == (0, 4)
    assert found.scores.shape == (0,)


def test_frames_of_several_sizes_keep_their_order(artefact: Artefact) -> None:
    near, far = recording([[0, 0, 20, 20]], [0.9]), recording([[0, 0, 10, 40]], [0.8])
    detector = replaying(artefact, near, far, batch_size=2)
    found = detector.detect([frame(128, 96), frame(96, 128), frame(128, 96)])
    assert len(found) == 3
    assert [each.scores.tolist() for each in found[::2]] == [
        pytest.approx([0.9]),
        pytest.approx([0.8]),
    ]
    assert len(detector.engine_specs) == 2


def test_nan_is_named_with_its_frame(artefact: Artefact) -> None:
    with pytest.raises(EngineError, match="NaN or infinity in boxes for door epoch 0 frame 0"):
        detect(artefact, recording([[float("nan"), 0, 1, 1]], [0.9]), 128, 96)


def test_a_closed_detector_refuses(artefact: Artefact) -> None:
    detector = replaying(artefact, recording([], []))
    assert detector.prepare(128, 96).canvas == (128, 96)
    detector.close()
    with pytest.raises(EngineError, match="was closed"):
        detector.detect([frame(128, 96)])


def test_models_of_another_stage_are_refused(artefact: Artefact, tiny_artefact: Artefact) -> None:
    with pytest.raises(ConfigError, match="is a one_pass model, expected a detector model"):
        replaying(tiny_artefact)
    with pytest.raises(ConfigError, match="is a detector model, expected a one_pass model"):
        OnePassEstimator(artefact, lambda _: pytest.fail("opened"), clock=ManualClock())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"outputs": tiny_manifest()["outputs"]}, "detector: expected boxes float32 rank 3"),
        ({"thresholds": {"min_score": 0.3}}, "expected one of nms_iou, got none"),
        ({"thresholds": {"min_score": 0.3, "nms_oks": 0.5}}, "one of nms_iou, got nms_oks"),
    ],
)
def test_a_manifest_that_breaks_the_contract_is_refused(
    artefact: Artefact, changes: dict[str, object], complaint: str
) -> None:
    content = artefact.manifest.model_dump(mode="json") | changes
    with pytest.raises(ValueError, match=complaint):
        type(artefact.manifest).model_validate(content)
