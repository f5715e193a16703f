"""Cells that guess, best cells that look again: where they look, what they learn, any canvas."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from builders.export import export_graph, round_to_half
from builders.networks.compact_pyramid import STRIDES, compact_pixels
from builders.networks.mobilenet_fpn import TrunkMaps
from builders.networks.smpr_at_joints import (
    CANDIDATES,
    SmprAtJoints,
    SmprAtJointsGraph,
    from_middle,
    guess,
)
from builders.networks.smpr_at_joints_loss import (
    LOOKED_AT,
    CellTargets,
    Known,
    LookTargets,
    chosen_cells,
    distance_loss,
    look_targets,
    smpr_at_joints_loss,
)
from builders.networks.smpr_second_look import FineMaps, Look, window_heat
from stream.skeleton import COCO_17
from tests.builders.networks.test_canvas_graphs import openvino_outputs

W, H = 128, 96


def heat_about(joints: np.ndarray) -> Tensor:
    """(1, 17, H / 4, W / 4): a Gaussian of 1.5 cells about each joint (17, 2), in canvas px."""
    rows, columns = np.mgrid[: H // 4, : W // 4] * 4 + 1.5
    apart = (columns - joints[:, :1, None]) ** 2 + (rows - joints[:, 1:, None]) ** 2
    return torch.from_numpy(np.exp(-0.5 * apart / 6.0**2).astype(np.float32))[None]


def fine_maps(joints: np.ndarray) -> FineMaps:
    return FineMaps(heat_about(joints), torch.zeros(1, 24, H // 4, W // 4))


def people(seed: int, low: float, high: float) -> Tensor:
    """(1, 17, 3) joints between two pixels of either axis, all known."""
    random = np.random.default_rng(seed)
    xy = random.uniform(low, high, (1, 17, 2))
    return torch.from_numpy(np.concatenate((xy, np.ones((1, 17, 1))), -1).astype(np.float32))


@pytest.mark.parametrize("stride", STRIDES)
def test_the_guess_points_from_each_level_where_movenet_points_at_the_centre(stride: int) -> None:
    """Offsets that are right at the centre's cell alone, wrong elsewhere."""
    joint, centre_cell = np.array([37.0, 52.0]), (12, 16)
    regress = torch.full((1, 34, 24, 32), 50.0)
    cell = np.array(centre_cell) * 4 + 1.5
    regress[:, :, 12, 16] = torch.from_numpy(np.tile((joint[::-1] - cell) / 4, 17)).float()
    centre = torch.zeros(1, 1, 24, 32)
    centre[:, :, 12, 16] = 1.0
    logits, pose = guess(centre * 1e4, regress, stride)  # so high that other cells weigh nothing
    row, column = 48 // stride, 64 // stride
    point = np.array([column, row]) * stride + stride // 2
    found = pose[0, :, row, column].reshape(17, 2).numpy() * stride + point
    np.testing.assert_allclose(found, np.tile(joint, (17, 1)), atol=0.02)
    assert logits[0, 0, row, column] == logits.max()
    assert tuple(logits.shape[2:]) == (96 // stride, 128 // stride)


def test_points_count_from_the_middle_of_the_canvas() -> None:
    points = from_middle(H // 8, W // 8, 8, torch.zeros(1))
    assert points[0, :, 0, 0].tolist() == [4 - 64, 4 - 48]
    assert points[0, :, 11, 15].tolist() == [124 - 64, 92 - 48]


def test_heat_is_read_where_the_joints_lie_and_of_the_mirrored_joint_behind() -> None:
    joints = people(0, 20, 80)[0, :, :2].numpy()
    maps = fine_maps(joints)
    middle = torch.tensor(maps.middle_px)
    places = torch.from_numpy(joints)[None, None, :, None] - middle
    found = window_heat(maps, places)[0, 0].numpy()
    assert found[:, 0].min() > 0.85
    mirrored = joints[COCO_17.flip_order()]
    expected = np.exp(-0.5 * ((mirrored - joints) ** 2).sum(1) / 36)
    np.testing.assert_allclose(found[:, 1], expected, atol=0.15)


def test_an_untaught_look_moves_joints_towards_their_heat() -> None:
    torch.manual_seed(0)
    joints = people(1, 20, 80)[0, :, :2].numpy()
    maps = fine_maps(joints)
    truth = torch.from_numpy(joints)[None, None] - torch.tensor(maps.middle_px)
    first = truth + torch.randn(1, 1, 17, 2) * 4
    with torch.no_grad():
        moved, _ = Look(0.06, 8)(maps, first)
    before, after = ((poses - truth).norm(dim=-1).mean() for poses in (first, moved))
    assert after < 0.5 * before


def test_best_cells_and_as_many_of_peoples_middles_are_looked_at() -> None:
    peaks = torch.linspace(0, 1, 300)
    positive = torch.zeros(300, dtype=torch.bool)
    positive[[5, 9]] = True
    targets = CellTargets(positive, torch.zeros(300, dtype=torch.long))
    cells = chosen_cells(peaks, targets, torch.Generator().manual_seed(0))
    assert cells[:LOOKED_AT].tolist() == list(range(299, 299 - LOOKED_AT, -1))
    assert set(cells[LOOKED_AT:].tolist()) == {5, 9}
    nobody = CellTargets(positive & False, targets.owner)
    assert len(chosen_cells(peaks, nobody, torch.Generator())) == 2 * LOOKED_AT


def test_a_cell_learns_from_whom_its_guess_resembles_a_middle_at_least_from_its_owner() -> None:
    both = torch.cat((people(2, 0, 40), people(3, 60, 100)))
    first = torch.zeros(2 * LOOKED_AT, 17, 2) + 500
    first[0] = both[1, :, :2]
    owner = torch.ones(2 * LOOKED_AT, dtype=torch.long)
    found = look_targets(first, owner, both, torch.tensor([900.0, 800.0]))
    assert found.learns.tolist() == [1.0] + [0.0] * (LOOKED_AT - 1) + [1.0] * LOOKED_AT
    assert torch.equal(found.joints[0], both[1])
    assert found.areas[LOOKED_AT:].tolist() == [800.0] * LOOKED_AT


def test_distance_counts_in_the_tolerance_of_the_oks() -> None:
    joints = people(4, 0, 50)
    joints[0, 1:, 2] = 0  # one joint counts
    target = LookTargets(joints, torch.tensor([2500.0]), torch.ones(1))
    poses = joints[..., :2].clone()
    assert distance_loss(poses, target).item() == pytest.approx(0, abs=0.011)
    poses[0, 0, 0] += 2 * float(COCO_17.sigmas[0]) * 50 * 3
    assert distance_loss(poses, target).item() == pytest.approx(np.log(4), abs=0.01)


def random_trunk(batch: int) -> TrunkMaps:
    channels = {"p2": (24, 4), "p3": (24, 8), "p4": (32, 16), "p5": (64, 32)}
    channels |= {"c3": (48, 8), "c4": (96, 16)}
    return TrunkMaps(
        **{name: torch.randn(batch, C, H // s, W // s) for name, (C, s) in channels.items()}
    )


def known(certainty: float) -> Known:
    sizes = sum((H // stride) * (W // stride) for stride in STRIDES)
    joints = [people(5, 20, 70), torch.zeros(0, 17, 3)]
    joints[0][0, 3, 2] = -1
    areas = [torch.tensor([1500.0]), torch.zeros(0)]
    return Known(joints, areas, torch.full((2, sizes), certainty))


def test_gradient_flows_into_all_but_the_start_weights() -> None:
    torch.manual_seed(0)
    network = SmprAtJoints(16).train()
    for look in network.second_look.looks:
        nn.init.normal_(look.out.weight, std=0.1)  # type: ignore[union-attr, arg-type]
    started = {id(each) for each in network.pyramid.started_parameters()}
    maps = network.cells(random_trunk(2))
    losses = smpr_at_joints_loss(network, maps, known(1.0), torch.Generator().manual_seed(0))
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    silent = {
        name
        for name, parameter in network.named_parameters()
        if id(parameter) not in started
        and (parameter.grad is None or not parameter.grad.abs().max() > 0)
    }
    # The person suits the finest level alone.
    assert silent == {"reach.1.scale", "reach.2.scale"}


def test_where_nobody_knows_only_leaving_the_guess_costs() -> None:
    torch.manual_seed(0)
    network = SmprAtJoints(16).eval()
    with torch.no_grad():
        maps = network.cells(random_trunk(2))
        sure, unsure = (
            smpr_at_joints_loss(network, maps, known(each), torch.Generator().manual_seed(0))
            for each in (1.0, 0.0)
        )
    assert sure["kept"] == 0
    assert unsure["kept"] > 0
    assert unsure["person"] < sure["person"]
    assert unsure["look2"] == sure["look2"]


def untaught(shrink: tuple[int, ...]) -> SmprAtJointsGraph:
    torch.manual_seed(0)
    graph = SmprAtJointsGraph(SmprAtJoints(16), shrink)
    for name, module in graph.named_modules():
        if isinstance(module, nn.Conv2d) and "trunk" not in name:
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
    round_to_half(graph)
    return graph.eval()


def test_people_of_both_sizes_come_in_pixels_of_the_canvas() -> None:
    graph = untaught((1, 2))
    canvas = torch.randint(0, 256, (1, 64, 128, 3), dtype=torch.uint8)
    half = torch.nn.functional.avg_pool2d(compact_pixels(canvas), 2)
    half_canvas = ((half + 1) * 127.5).permute(0, 2, 3, 1)
    with torch.no_grad():
        keypoints, scores = graph(canvas)
        alone, alone_scores = SmprAtJointsGraph(graph.network, (1,))(half_canvas)
    assert keypoints.shape == (1, 2 * CANDIDATES, 17, 3)
    assert bool((keypoints[..., :2] <= torch.tensor([127.0, 63.0])).all())
    torch.testing.assert_close(scores[:, CANDIDATES:], alone_scores, atol=1e-4, rtol=1e-4)
    doubled = (alone[..., :2] + 0.5) * 2 - 0.5
    last = torch.tensor([128 - 1.5, 64 - 1.5])  # where the last pixel of the half lies
    inside = keypoints[:, CANDIDATES:, :, :2].clamp(min=0.5).minimum(last)
    torch.testing.assert_close(inside, doubled, atol=0.05, rtol=0)


@pytest.mark.slow
def test_both_engines_give_torchs_numbers_on_other_canvases(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    graph = untaught((1, 2))
    path = tmp_path / "model.onnx"
    export_graph(graph, (128, 64), path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch, height, width in ((2, 128, 192), (1, 192, 128)):
        rng = np.random.default_rng(height)
        canvas = rng.integers(0, 256, (batch, height, width, 3)).astype(np.uint8)
        with torch.no_grad():
            expected = [each.numpy() for each in graph(torch.from_numpy(canvas))]
        people = expected[1] > 0
        assert people.sum() > 20
        for found in (session.run(None, {"canvas": canvas}), openvino_outputs(path, canvas)):
            for got, wanted in zip(found, expected, strict=True):
                atol = 1e-3 * np.abs(wanted).max()
                np.testing.assert_allclose(got[people], wanted[people], atol=atol, rtol=0)
