"""The exported graph is the torch network: same people, same places, in every CPU engine."""

import itertools
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from builders.evaluation.people import read_rgb
from builders.export import (
    export_graph,
    network_from_onnx,
    round_to_half,
    store_as_half,
    weights_from_onnx,
    write_artefact,
)
from builders.networks.bottom_up import CompactBottomUp, HeadSettings
from builders.networks.bottom_up_decode import BottomUpGraph, DecodeSettings
from builders.training.validation import CANVASES, torch_predictor
from engines.artefact import Artefact, load_artefact
from engines.engine import Precision
from engines.estimator import OnePassEstimator
from engines.open_engine import EngineName, open_engine
from engines.zoo_models import find_model
from stream.clock import SystemClock
from stream.errors import ArtefactError
from stream.frame import Frame
from stream.picture import picture_from_rgb


def small_network() -> CompactBottomUp:
    torch.manual_seed(0)
    return CompactBottomUp(HeadSettings(8, 8)).eval()


ABOUT = {
    "name": "tiny",
    "description": "for tests",
    "canvases": ((128, 64),),
    "thresholds": {"min_score": 0.3, "nms_oks": 0.6},
    "licence": "Apache-2.0",
    "training": {},
    "accuracy": {},
}


def test_an_artefact_is_written_that_loads_and_holds_the_same_network(tmp_path: Path) -> None:
    network = small_network()
    write_artefact(network, DecodeSettings(), tmp_path / "tiny", ABOUT)
    artefact = load_artefact(tmp_path / "tiny")
    twin = network_from_onnx(artefact.onnx_path)
    for name, value in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(value, twin.state_dict()[name]), name


def test_large_weights_are_stored_in_half_precision_without_loss(tmp_path: Path) -> None:
    network = small_network()
    round_to_half(network)
    path = tmp_path / "m.onnx"
    export_graph(BottomUpGraph(network, DecodeSettings()), (128, 64), path)
    parameters = sum(p.numel() for p in network.parameters())
    assert path.stat().st_size < 2.3 * parameters
    assert torch.equal(
        weights_from_onnx(path)["trunk.lateral5.weight"], network.trunk.lateral5.weight
    )


def test_height_and_width_are_not_baked_in(tmp_path: Path) -> None:
    import onnxruntime  # noqa: PLC0415

    network = small_network()
    round_to_half(network)
    graph = BottomUpGraph(network, DecodeSettings()).eval()
    export_graph(graph, (128, 64), tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    for batch, height, width in ((1, 64, 128), (3, 128, 64)):
        rng = np.random.default_rng(height)
        canvas = rng.integers(0, 256, (batch, height, width, 3)).astype(np.uint8)
        maps = network(torch.from_numpy(canvas).permute(0, 3, 1, 2).float() / 127.5 - 1)
        assert maps.heat.shape == (batch, 17, height // 4, width // 4)
        with torch.no_grad():
            expected = graph(torch.from_numpy(canvas))
        got = session.run(None, {"canvas": canvas})
        # Scores are fourth roots: what is nearly nothing differs by more than what it is made of.
        assert np.abs(np.sort(got[1]) - np.sort(expected[1].numpy())).max() < 1e-3


def test_a_weight_that_half_cannot_hold_stays_whole() -> None:
    values = np.full((300,), 1 + 1e-5, np.float32)
    graph = onnx.helper.make_graph([], "g", [], [], [onnx.numpy_helper.from_array(values, "w")])
    model = onnx.helper.make_model(graph)
    store_as_half(model)
    assert model.graph.initializer[0].name == "w"


def test_a_foreign_graph_is_refused(tmp_path: Path) -> None:
    graph = onnx.helper.make_graph([], "g", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "m.onnx")
    with pytest.raises(ArtefactError, match="not exported by us"):
        weights_from_onnx(tmp_path / "m.onnx")


def real_pictures(shared_data: Path) -> list[Path]:
    """Fifty pictures: all of coco_kp/val and twenty of coco128_person_boxes/val."""
    found: list[Path] = []
    for name, count in (("coco_kp", 30), ("coco128_person_boxes", 20)):
        file = shared_data / "labelled" / name / "annotations" / "val.json"
        images = json.loads(file.read_text())["images"]
        folder = shared_data / "labelled" / name / "images"
        found += [folder / image["file_name"] for image in itertools.islice(images, count)]
    return found


def estimator_of(artefact: Artefact, engine: EngineName) -> OnePassEstimator:
    return OnePassEstimator(
        artefact,
        lambda canvas: open_engine(
            artefact, engine=engine, canvas=canvas, threads=1, precision=Precision.FP32
        ),
        clock=SystemClock(),
    )


@pytest.mark.slow
def test_the_shipped_graph_finds_in_both_engines_the_people_that_torch_finds(
    shared_data: Path,
) -> None:
    artefact = find_model("bottom_up")
    network = network_from_onnx(artefact.onnx_path)
    twin = torch_predictor(network, DecodeSettings(), artefact.manifest.thresholds, CANVASES)
    estimators = [
        estimator_of(artefact, engine) for engine in (EngineName.OPENVINO, EngineName.ONNXRUNTIME)
    ]
    people = 0
    pictures = real_pictures(shared_data)
    assert len(pictures) == 50
    for path in pictures:
        rgb = read_rgb(path)
        expected, _ = twin(rgb)
        frame = Frame("test", 0, 0, 0.0, 0.0, picture_from_rgb(rgb))
        for estimator in estimators:
            poses = estimator.estimate([frame])[0].poses
            assert len(poses) == len(expected), path.name
            for pose, other in zip(poses, expected, strict=True):
                assert np.abs(pose.keypoints_px - other[:, :2]).max() < 0.5, path.name
        people += len(expected)
    for estimator in estimators:
        estimator.close()
    assert people > 50
