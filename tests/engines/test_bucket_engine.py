from itertools import count

import numpy as np
import pytest

from engines.artefact import Artefact
from engines.bucket_engine import BucketEngine
from engines.engine import EngineSpec, Precision, Tensors
from stream.errors import EngineError

SPEC = EngineSpec("plain", "1", "tiny", Precision.FP32, 1, (128, 96))
PICTURES = np.zeros((2, 96, 128, 3), np.uint8)


def outputs(candidates: int) -> Tensors:
    return {
        "keypoints": np.zeros((1, candidates, 17, 3), np.float32),
        "scores": np.zeros((1, candidates), np.float32),
    }


def test_an_engine_that_reuses_its_buffers_gives_owned_results(tiny_artefact: Artefact) -> None:
    buffers = outputs(30)
    numbers = count()

    def run(_inputs: Tensors) -> Tensors:
        buffers["scores"][:] = next(numbers)
        return buffers

    engine = BucketEngine(SPEC, tiny_artefact.manifest, run)
    assert engine.infer({"canvas": PICTURES})["scores"][:, 0].tolist() == [1, 2]


def test_a_graph_whose_outputs_change_their_shape_is_refused(tiny_artefact: Artefact) -> None:
    numbers = count(30)
    manifest = tiny_artefact.manifest
    anyhow = tuple(
        spec.model_copy(update={"shape": (None, None, *spec.shape[2:])})
        for spec in manifest.outputs
    )
    engine = BucketEngine(
        SPEC,
        manifest.model_copy(update={"outputs": anyhow}),
        lambda _inputs: outputs(next(numbers)),
    )
    with pytest.raises(EngineError, match="changed its shape from"):
        engine.infer({"canvas": PICTURES})
