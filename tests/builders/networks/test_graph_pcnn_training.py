import math

import numpy as np
import pytest
import torch

from builders.networks.graph_pcnn import (
    RELIABLE_HEAT,
    GraphPcnn,
    GuidedPoints,
    Refinement,
    peak_points,
    sample_own,
)
from builders.networks.graph_pcnn_training import (
    Truth,
    far_points,
    guided_points,
    hot_points,
    lacking_loss,
    moved_peaks,
    near_points,
    point_count,
    refinement_loss,
)
from builders.networks.heatmap_decode import smooth_peaks
from builders.networks.heatmap_targets import heatmap_loss
from builders.networks.hrnet import HrNet
from stream.oks import object_keypoint_similarity
from stream.skeleton import COCO_17


def truth(sigma: float = 2.0) -> Truth:
    xy = torch.rand(2, 17, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor(
        [23.0, 31.0]
    )
    weight = torch.ones(2, 17)
    weight[1, 4] = 0
    return Truth(xy, weight, sigma)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("size", "expected"), [((32, 24), 48), ((64, 48), 192), ((96, 72), 432)])
def test_point_counts_are_the_papers(size: tuple[int, int], expected: int) -> None:
    assert point_count(torch.zeros(1, 17, *size)) == expected


def test_near_points_fill_a_disc_of_three_sigma_uniformly() -> None:
    true = truth()
    distance = (near_points(true, 500, generator()) - true.xy[:, None]).norm(dim=-1)
    assert distance.max() <= 6
    inner = (distance < 6 / math.sqrt(2)).float().mean().item()  # half of the disc's area
    assert inner == pytest.approx(0.5, abs=0.02)


def test_far_points_lie_on_the_map_outside_the_disc() -> None:
    true = truth()
    points = far_points(true, (24, 32), 300, generator())
    assert (points - true.xy[:, None]).norm(dim=-1).min() > 6
    assert points.min() >= 0
    assert points[..., 0].max() <= 23
    assert points[..., 1].max() <= 31
    assert points[..., 1].max() > 29


def test_hot_points_come_from_the_hottest_cells_each_at_most_once() -> None:
    heat = torch.randn(2, 17, 32, 24, generator=generator())
    points = hot_points(heat, 48, 16, generator())
    for b, k in np.ndindex(2, 17):
        hottest = set(heat[b, k].flatten().topk(48).indices.tolist())
        cells = [int(y * 24 + x) for x, y in points[b, :, k].tolist()]
        assert set(cells) <= hottest
        assert len(set(cells)) == 16
    drawn = hot_points(heat, 48, 48, generator())
    assert len({tuple(cell) for cell in drawn[0, :, 0].tolist()}) == 48


def test_a_third_each_and_every_joint_in_an_order_of_its_own() -> None:
    true = truth()
    heat = torch.randn(2, 17, 32, 24, generator=generator())
    points = guided_points(heat, true, generator())
    assert points.xy.shape == (2, 48, 17, 2)
    near = (points.xy - true.xy[:, None]).norm(dim=-1) <= 6
    assert (near.sum(1) >= 16).all()  # the near third, and hot cells that happen to be near
    orders = {tuple(near[0, :, joint].tolist()) for joint in range(17)}
    assert len(orders) == 17
    torch.testing.assert_close(points.heat, sample_own(heat, points.xy))


def test_points_are_reliable_within_two_sigma_of_a_labelled_joint() -> None:
    true = truth()
    points = guided_points(torch.randn(2, 17, 32, 24, generator=generator()), true, generator())
    distance = (points.xy - true.xy[:, None]).norm(dim=-1)
    expected = (distance < 4) & (true.weight[:, None] > 0)
    assert torch.equal(points.reliable > 0, expected)
    assert points.reliable[1, :, 4].sum() == 0


def test_the_same_seed_draws_the_same_points() -> None:
    heat = torch.randn(2, 17, 32, 24, generator=generator())
    first, second = (guided_points(heat, truth(), generator()) for _ in range(2))
    assert torch.equal(first.xy, second.xy)


def test_loss_equals_a_worked_example() -> None:
    random = np.random.default_rng(0)
    true = truth()
    xy = true.xy[:, None].double() + torch.from_numpy(random.normal(scale=5, size=(2, 6, 17, 2)))
    logits, offset = random.normal(size=(2, 2, 6, 17, 2))
    weighted = 0.0
    for b, k in np.ndindex(2, 17):
        positive, negative, error = [], [], []
        for n in range(6):
            away = true.xy[b, k].double().numpy() - xy[b, n, k].numpy()
            squared = (away**2).sum()
            logs = logits[b, n, k] - math.log(
                math.exp(logits[b, n, k, 0]) + math.exp(logits[b, n, k, 1])
            )
            if math.sqrt(squared) <= 6:
                positive.append(-math.exp(-squared / 8) * logs[1])
                error.append(np.abs(offset[b, n, k] - away).sum())
            else:
                negative.append(-logs[0])
        means = [sum(part) / max(len(part), 1) for part in (positive, negative, error)]
        weighted += true.weight[b, k].item() * (0.5 * (means[0] + means[1]) + 16 * means[2])
    points = GuidedPoints(xy, torch.zeros(0), torch.zeros(0))
    found = Refinement(torch.from_numpy(logits), torch.from_numpy(offset))
    got = refinement_loss(found, points, Truth(true.xy.double(), true.weight.double(), 2.0))
    assert got.item() == pytest.approx(weighted / 33)


def test_peaks_are_those_of_tests_and_half_of_them_a_little_beside() -> None:
    heat = torch.rand(40, 17, 32, 24, generator=generator())
    heat[..., 12, 9] = 1.2
    found, (peaks, _) = (
        moved_peaks(heat, smooth_peaks, generator()),
        peak_points(heat, smooth_peaks),
    )
    assert found.xy.shape == (40, 1, 17, 2)
    away = (found.xy - peaks.xy).norm(dim=-1)
    assert (away == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert away[away > 0].mean().item() == pytest.approx(0.4 * math.sqrt(math.pi / 2), rel=0.1)
    torch.testing.assert_close(found.heat, sample_own(heat, found.xy))
    assert torch.equal(found.reliable > 0, found.heat > RELIABLE_HEAT)


def test_what_lacks_of_the_similarity_is_cocos() -> None:
    true, area = truth(), torch.tensor([90.0, 300.0])
    xy = true.xy[:, None] + 20 * torch.sign(torch.randn(2, 1, 17, 2, generator=generator()))
    offset = true.xy[:, None] - xy + torch.randn(2, 1, 17, 2, generator=generator())
    points = GuidedPoints(xy, torch.zeros(0), torch.zeros(0))
    got = lacking_loss(Refinement(torch.zeros(0), offset), points, true, area)
    expected = object_keypoint_similarity(
        true.xy.numpy(),
        (xy + offset)[:, 0].numpy(),
        true.weight.numpy(),
        area.numpy(),
        COCO_17.sigmas,
    )
    weighted = sum(1 - expected[i, i] for i in range(2) for _ in range(int(true.weight[i].sum())))
    assert got.item() == pytest.approx(weighted / 33, abs=1e-6)  # far points: no distance besides


def test_a_near_point_learns_the_distance_too_and_the_truth_costs_nothing() -> None:
    true, area = truth(), torch.tensor([90.0, 300.0])
    points = GuidedPoints(true.xy[:, None] + 1.5, torch.zeros(0), torch.zeros(0))
    offset = torch.full((2, 1, 17, 2), -1.5).requires_grad_()
    assert lacking_loss(Refinement(torch.zeros(0), offset), points, true, area).item() < 1e-6
    still = torch.zeros(2, 1, 17, 2)
    one = lacking_loss(Refinement(torch.zeros(0), still), points, true, area * 1e9)
    assert one.item() == pytest.approx(0.02 * 3.0, abs=1e-5)  # so large that only distance is left


def test_gradient_of_both_stages_flows_into_every_parameter() -> None:
    network = GraphPcnn(HrNet(4)).train()
    heat, features = network.maps(torch.randn(2, 3, 128, 96))
    points = guided_points(heat, truth(), generator())
    loss = refinement_loss(network.refine(features, points), points, truth())
    torch.autograd.backward(loss, retain_graph=True)
    shared = dict(network.named_parameters())["stage1.stage3.0.branches.0.0.conv1.weight"]
    assert shared.grad is not None  # stage 2 teaches the shared layers as well
    torch.autograd.backward(heatmap_loss(heat, torch.rand_like(heat), torch.ones(2, 17)))
    still = [name for name, value in network.named_parameters() if value.grad is None]
    assert still == []
