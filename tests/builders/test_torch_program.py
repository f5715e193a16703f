"""Every model that ships has a torch network with its weights: it computes what its graph does."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from builders.torch_program import torch_twin, write_program
from engines.artefact import NO_PICTURE, Artefact
from engines.batch_ring import Arrays
from engines.certification.picture_set import drawn_set
from engines.cuda_batch import program_on
from engines.zoo_models import find_model, list_models
from stream.errors import EngineError

pytestmark = pytest.mark.slow

SHIPPED = [manifest.name for manifest in list_models()]
ANY_SIZE = (300, 300)
SURE = 0.2
"""Of candidates below, the order is a matter of the last bits."""


def inputs_of(artefact: Artefact, count: int = 2) -> Arrays:
    """Drawn people in the size of the first canvas or crop, where joints may be, and scores."""
    canvas = artefact.manifest.canvases[0]
    size = ANY_SIZE if canvas == NO_PICTURE else canvas
    pixels = np.stack([cv2.resize(one, size) for one in drawn_set().pictures[:count]])
    dice = np.random.default_rng(2)
    poses = dice.uniform(0.2, 0.8, (count, 17, 3)).astype(np.float32) * np.array([*size, 1])
    scores = dice.uniform(0, 1, count)
    given = {"poses": poses.astype(np.float32), "scores": scores.astype(np.float32)}
    return {spec.name: given.get(spec.name, pixels) for spec in artefact.manifest.inputs}


def of_the_graph(artefact: Artefact, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        artefact.onnx_path, options, providers=["CPUExecutionProvider"]
    )
    names = [spec.name for spec in artefact.manifest.outputs]
    return dict(zip(names, session.run(names, inputs), strict=True))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_twin_of_every_shipped_model_computes_what_its_graph_computes(name: str) -> None:
    artefact = find_model(name)
    inputs = inputs_of(artefact)
    expected = of_the_graph(artefact, inputs)
    with torch.inference_mode():
        computed = torch_twin(artefact)(*map(torch.from_numpy, inputs.values()))
    found = {output: tensor.numpy() for output, tensor in computed.items()}
    assert {n: a.shape for n, a in found.items()} == {n: a.shape for n, a in expected.items()}
    rows = len(next(iter(expected.values())))
    sure = expected["scores"] > SURE if "scores" in expected else np.ones(rows, bool)
    for output, values in expected.items():
        np.testing.assert_allclose(found[output][sure], values[sure], atol=0.05)


def test_a_program_runs_on_another_device_with_all_that_it_makes_itself(tmp_path: Path) -> None:
    """On the device `meta`, which has no memory but refuses what lies elsewhere, as a GPU does."""
    artefact = find_model("person_detector")
    width, height = artefact.manifest.canvases[0]
    write_program(artefact, (width, height), tmp_path / "program.pt2")
    pixels = torch.zeros((3, height, width, 3), dtype=torch.uint8, device="meta")
    left_behind = torch.export.load(tmp_path / "program.pt2").module().to("meta")
    with pytest.raises(RuntimeError, match="not on the expected device"):
        left_behind(pixels)
    moved = program_on(torch.export.load(tmp_path / "program.pt2"), "meta")
    for spec in artefact.manifest.outputs:
        found = moved(pixels)[spec.name]
        assert (found.device.type, tuple(found.shape)) == ("meta", (3, *spec.shape[1:]))
    here = torch.export.load(tmp_path / "program.pt2").module()
    inputs = inputs_of(artefact, 1)
    with torch.inference_mode():
        scores = here(torch.from_numpy(inputs["canvas"]))["scores"].numpy()
    np.testing.assert_allclose(scores, of_the_graph(artefact, inputs)["scores"], atol=1e-3)


def test_a_model_without_a_recipe_here_is_told(tiny_artefact: Artefact) -> None:
    with pytest.raises(EngineError, match=r"no twin of model tiny .*onnxruntime and openvino"):
        torch_twin(tiny_artefact)
