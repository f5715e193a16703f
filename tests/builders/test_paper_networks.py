"""Networks of the papers at their own size: exported, they are torch's in both CPU engines.

Some of every kind run here on small pictures; `python -m tests.bench.bench_networks` runs all, at
the papers' picture sizes, and its table is in `tests/bench/results/`.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from builders.contract_export import export_contract, give_relief, run_in_torch
from builders.networks.graph_pcnn import GraphPcnn
from builders.networks.graph_pcnn_graph import GraphPcnnGraph
from builders.networks.hrnet import HrNet, branch_channels
from builders.networks.pyramids import Hrfpn
from builders.networks.smpr import BackboneHr, Smpr, smpr_pixels
from builders.networks.smpr_decode import SmprDecodeSettings
from builders.networks.smpr_graph import SmprGraph
from builders.networks.topdown_graph import ChannelOrder, FlipTest
from builders.paper_networks import OUTPUTS, example_inputs, paper_networks
from tests.bench.bench_networks import MEMORY_GIB, brought_up_to_date, faults, networks_of
from tests.bench.network_proof import (
    LIMIT,
    Difference,
    SmprWithMaps,
    WithOffsets,
    compared,
    disagreement,
    measured_parity,
    reduced,
    telling,
)
from tests.command_line import REPOSITORY, environment

RESULTS = REPOSITORY / "tests" / "bench" / "results" / "networks.json"
REPRESENTATIVE = {
    "graph_pcnn_resnet_50": (96, 128),
    "kcam_resnet_50": (96, 128),
    "posefix_r50": (96, 128),
    "hgg_w32": (192, 128),
    "scoring_net": (0, 0),
}
"""Width and height of the pictures; SMPR and DEKR are in tests/builders/networks."""


@pytest.mark.slow
@pytest.mark.parametrize("name", list(REPRESENTATIVE))
def test_both_engines_give_torchs_outputs_for_one_and_two_pictures(
    name: str, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    network, picture_px = paper_networks()[name], REPRESENTATIVE[name]
    graph = network.graph(network.make(), network.order)
    graph, outputs = telling(graph, OUTPUTS[network.form])
    inputs = example_inputs(network, picture_px, 2, 0)
    give_relief(graph, inputs, 0)
    export_contract(graph, inputs, outputs, tmp_path / "model.onnx", maps=outputs[2:])
    parity = measured_parity(network, graph, tmp_path / "model.onnx", picture_px)
    for found in (*parity.onnxruntime.values(), *parity.openvino_f32.values()):
        assert found.worst < LIMIT
        assert found.moved_joints <= 0.01


@pytest.mark.slow
def test_a_network_runs_and_exports_at_its_papers_size_as_the_table_says() -> None:
    """In a process of its own: peak memory is a process's. The largest takes half a minute."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.network_proof", "hgg_w32", "--no-parity"],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    proof = json.loads(done.stdout)
    table = networks_of(RESULTS)["hgg_w32"]
    assert proof["parameters"] == table["parameters"] == 30_678_516
    assert proof["picture_px"] == [512, 512]
    # The table's own peak is no bound: a processor with other kernels needs half as much again.
    assert 1 < proof["peak_gib"] <= MEMORY_GIB


def test_the_table_of_all_networks_is_complete_and_within_the_limits() -> None:
    table = networks_of(RESULTS)
    assert table.keys() == paper_networks().keys()
    for name, proof in table.items():
        assert faults(proof) == [], name
        assert proof["picture_px"] == list(paper_networks()[name].picture_px)


def candidates() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    keypoints = random.uniform(0, 100, (1, 9, 17, 3)).astype(np.float32)
    return keypoints, np.sort(random.uniform(0, 1, (1, 9)).astype(np.float32))


def test_candidates_that_change_places_with_a_neighbour_do_not_disagree() -> None:
    keypoints, scores = candidates()
    order = [0, 2, 1, 3, 4, 5, 6, 7, 8]
    moved = [keypoints[:, order], scores[:, order]]
    assert disagreement(moved, [keypoints, scores]) == Difference(0.0, 0.0)
    assert disagreement([moved[0], scores], [keypoints, scores]).worst > 0.01
    far = keypoints[:, [8, 1, 2, 3, 4, 5, 6, 7, 0]]
    assert disagreement([far, scores], [keypoints, scores]).worst > 0.1


def test_copies_of_a_candidate_are_not_taken_for_it() -> None:
    keypoints, scores = candidates()
    keypoints[:, 5:] = keypoints[:, 5:6]
    scores[:, 6:] = 0
    assert disagreement([keypoints, scores], [keypoints, scores]) == Difference(0.0, 0.0)


def small_smpr() -> SmprWithMaps:
    torch.manual_seed(0)
    network = Smpr(BackboneHr(2), Hrfpn(sum(branch_channels(2))))
    graph = SmprWithMaps(SmprGraph(network, smpr_pixels, SmprDecodeSettings(per_level=10)))
    give_relief(graph, {"canvas": torch.randint(0, 256, (1, 128, 128, 3), dtype=torch.uint8)}, 0)
    return graph


def test_smpr_is_held_by_its_maps_and_by_what_follows_from_an_engines_own_maps() -> None:
    graph = small_smpr()
    canvas = torch.randint(0, 256, (1, 128, 128, 3), dtype=torch.uint8)
    wanted = [out.numpy() for out in run_in_torch(graph, {"canvas": canvas})]
    assert compared(graph, wanted, wanted) == Difference(0.0, 0.0)
    other_maps = [each.copy() for each in wanted]
    other_maps[2 + 5][0, 0, 3, 3] += 0.1  # the predicted OKS of one cell of P3
    assert compared(graph, other_maps, wanted).worst > LIMIT
    other_poses = [each.copy() for each in wanted]
    other_poses[0][0, 0, 5, 0] += 10
    assert compared(graph, other_poses, wanted).worst > LIMIT


def test_the_second_stage_of_graph_pcnn_is_compared_on_its_own() -> None:
    torch.manual_seed(0)
    network = GraphPcnn(HrNet(4))
    graph = WithOffsets(GraphPcnnGraph(network, ChannelOrder.RGB, FlipTest.OFF))
    crops = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    give_relief(graph, {"crops": crops}, 0)
    before = [out.numpy() for out in run_in_torch(graph, {"crops": crops})]
    assert np.abs(before[1]).mean() > 1  # crop pixels
    with torch.no_grad():
        network.refinement.transforms.weight[0] *= 1.1
    after = [out.numpy() for out in run_in_torch(graph, {"crops": crops})]
    assert compared(graph, after, before).worst > LIMIT


def test_a_wrong_joint_is_seen_and_counted_apart_only_beside_the_maps() -> None:
    keypoints, scores = candidates()
    wrong = keypoints.copy()
    wrong[0, 3, 5, 0] += 50
    top = keypoints[..., :2].max()
    assert disagreement([wrong, scores], [keypoints, scores]).worst == pytest.approx(50 / top)
    maps = [np.ones((1, 18, 4, 4), np.float32), np.ones((1, 34, 4, 4), np.float32)]
    found = disagreement([wrong, scores, *maps], [keypoints, scores, *maps])
    assert found == Difference(0.0, 1 / (9 * 17))
    maps_too = [maps[0] + np.float32(0.01), maps[1]]
    assert disagreement([wrong, scores, *maps_too], [keypoints, scores, *maps]).worst > LIMIT


def test_confidences_are_measured_by_confidences_and_not_by_pixels() -> None:
    keypoints = np.ones((2, 17, 3), np.float32) * np.array([200, 100, 0.5], np.float32)
    wrong = keypoints.copy()
    wrong[0, 0, 2] += 0.1
    assert disagreement([wrong], [keypoints]).worst == pytest.approx(0.2, rel=1e-5)


def test_pictures_for_parity_keep_their_shape_and_shrink_to_multiples_of_64() -> None:
    assert reduced((192, 256)) == (192, 256)
    assert reduced((1344, 800)) == (320, 192)
    assert reduced((0, 0)) == (0, 0)


def test_the_table_is_brought_up_to_date_network_by_network(tmp_path: Path) -> None:
    out = tmp_path / "new" / "table.json"
    brought_up_to_date(out, [{"network": "a", "peak_gib": 1}, {"network": "b", "peak_gib": 2}])
    brought_up_to_date(out, [{"network": "b", "peak_gib": 3}])
    table = json.loads(out.read_text())["details"]
    assert {name: proof["peak_gib"] for name, proof in networks_of(out).items()} == {
        "a": 1,
        "b": 3,
    }
    assert set(table["versions"]) == {"torch", "onnx", "onnxruntime", "openvino", "numpy"}


def test_faults_name_memory_and_every_engine_that_differs() -> None:
    fine, bad = {"worst": 1e-5, "moved_joints": 0.0}, {"worst": 2e-3, "moved_joints": 0.0}
    moved = {"worst": 1e-5, "moved_joints": 0.02}
    parity = {"onnxruntime": {"1": fine, "2": bad}, "openvino_f32": {"1": moved, "2": fine}}
    found = faults({"network": "n", "peak_gib": 6.5, "parity": parity})
    assert [text.split(": ", 1)[1][:22] for text in found] == [
        "6.5 GiB",
        "onnxruntime, batch 2: ",
        "openvino_f32, batch 1:",
    ]
