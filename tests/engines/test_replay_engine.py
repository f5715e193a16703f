import numpy as np
import pytest

from engines.artefact import Artefact
from engines.engine import Tensors
from engines.replay_engine import ReplayEngine
from stream.errors import EngineError

CANVAS = (128, 96)
BLANK = np.zeros((3, 96, 128, 3), np.uint8)


def outputs(score: float) -> Tensors:
    return {
        "keypoints": np.zeros((30, 17, 3), np.float32),
        "scores": np.full(30, score, np.float32),
    }


def test_a_sequence_is_replayed_in_the_order_of_the_pictures(tiny_artefact: Artefact) -> None:
    engine = ReplayEngine(
        tiny_artefact.manifest, CANVAS, [outputs(0.1), outputs(0.2), outputs(0.3)]
    )
    first = engine.infer({"canvas": BLANK[:1]})["scores"][:, 0]
    rest = engine.infer({"canvas": BLANK[:2]})["scores"][:, 0]
    assert [*first, *rest] == [np.float32(0.1), np.float32(0.2), np.float32(0.3)]


def test_the_end_of_the_recording_is_an_error(tiny_artefact: Artefact) -> None:
    engine = ReplayEngine(tiny_artefact.manifest, CANVAS, [outputs(0.1)])
    with pytest.raises(EngineError, match="no recording of picture 1; 1 are recorded"):
        engine.infer({"canvas": BLANK})


def test_a_picture_that_was_not_recorded_is_an_error(tiny_artefact: Artefact) -> None:
    engine = ReplayEngine(tiny_artefact.manifest, CANVAS, {})
    with pytest.raises(EngineError, match="no recording of picture"):
        engine.infer({"canvas": BLANK})


def test_a_recording_that_does_not_fit_the_manifest_is_refused(tiny_artefact: Artefact) -> None:
    with pytest.raises(EngineError, match=r"recorded outputs: expected \['keypoints', 'scores'\]"):
        ReplayEngine(tiny_artefact.manifest, CANVAS, [{"scores": np.zeros(30, np.float32)}])
