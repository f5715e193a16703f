import math

import numpy as np
import pytest
import torch

from builders.networks.posefix import (
    PoseFix,
    PoseFixGraph,
    UnscoredJoints,
    input_box,
    pose_maps,
    posefix_loss,
    posefix_pixels,
    soft_argmax,
    soft_one_hot,
)
from builders.networks.topdown_graph import FlipTest
from tests.builders.networks.random_weights import parameter_count

SWAP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def test_has_the_published_number_of_trainable_parameters() -> None:
    with torch.device("meta"):
        network = PoseFix(50)
    assert parameter_count(network) == 34_053_009
    assert tuple(network.conv1.weight.shape) == (64, 20, 7, 7)


def test_batch_norms_use_tensorflows_eps_and_decay() -> None:
    with torch.device("meta"):
        modules = list(PoseFix(50).modules())
    norms = [module for module in modules if isinstance(module, torch.nn.BatchNorm2d)]
    assert {(module.eps, module.momentum) for module in norms} == {(1e-9, 0.01)}


def test_stride_is_on_the_3x3_of_each_layers_first_unit() -> None:
    with torch.device("meta"):
        modules = dict(PoseFix(50).named_modules())
    for layer in ("layer2", "layer3", "layer4"):
        first, second = (modules[f"{layer}.0.conv{i}"] for i in (1, 2))
        assert isinstance(first, torch.nn.Conv2d)
        assert isinstance(second, torch.nn.Conv2d)
        assert [first.stride, second.stride] == [(1, 1), (2, 2)]


def test_pixels_are_bgr_less_means_in_that_order_and_not_divided() -> None:
    got = posefix_pixels(torch.tensor([[[[10, 20, 30]]]], dtype=torch.uint8))[0, :, 0, 0]
    assert got.tolist() == pytest.approx([30 - 123.68, 20 - 116.78, 10 - 103.94])


def test_pose_maps_equal_a_worked_example() -> None:
    random = np.random.default_rng(0)
    xy, valid = random.uniform(-5, 25, (2, 17, 2)), random.integers(0, 2, (2, 17)).astype(float)
    got = pose_maps(torch.from_numpy(xy), torch.from_numpy(valid), (20, 12), 7).numpy()
    assert got.shape == (2, 17, 12, 20)
    for n, k, row, column in np.ndindex(2, 17, 12, 20):
        dx, dy = column - xy[n, k, 0], row - xy[n, k, 1]
        expected = 255 * math.exp(-((dx / 7) ** 2) / 2 - ((dy / 7) ** 2) / 2) * valid[n, k]
        assert got[n, k, row, column] == pytest.approx(expected)


def test_soft_argmax_is_the_expectation_of_the_cell() -> None:
    logits = np.random.default_rng(0).normal(scale=3, size=(2, 17, 4, 5))
    got = soft_argmax(torch.from_numpy(logits)).numpy()
    for n, k in np.ndindex(2, 17):
        chance = np.exp(logits[n, k]) / np.exp(logits[n, k]).sum()
        x = sum(chance[row, column] * column for row in range(4) for column in range(5))
        y = sum(chance[row, column] * row for row in range(4) for column in range(5))
        np.testing.assert_allclose(got[n, k], [x, y])


def one_hot_by_hand(x: float, y: float, height: int, width: int) -> np.ndarray:
    out = np.zeros((height, width))
    left, top = math.floor(x), math.floor(y)
    for row, share_y in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, share_x in ((left, 1 - (x - left)), (left + 1, x - left)):
            if 0 <= row < height and 0 <= column < width:
                out[row, column] += share_x * share_y
    return out / out.sum() if out.sum() else out


def test_soft_one_hot_drops_corners_outside_and_scales_the_rest_up() -> None:
    cells = np.random.default_rng(0).uniform(-2, 7, (3, 17, 2))
    got = soft_one_hot(torch.from_numpy(cells), 4, 5).numpy().reshape(3, 17, 4, 5)
    for n, k in np.ndindex(3, 17):
        np.testing.assert_allclose(
            got[n, k], one_hot_by_hand(cells[n, k, 0], cells[n, k, 1], 4, 5), atol=1e-12
        )


def test_loss_equals_a_worked_example_with_means_over_all_joints() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(2, 17, 4, 5))
    truth = random.uniform(0, 20, (2, 17, 2)) * [1, 0.75]
    valid = random.integers(0, 2, (2, 17)).astype(float)
    entropy, error = 0.0, 0.0
    for n, k in np.ndindex(2, 17):
        chance = np.exp(logits[n, k]) / np.exp(logits[n, k]).sum()
        target = one_hot_by_hand(truth[n, k, 0] / 4, truth[n, k, 1] / 4, 4, 5)
        entropy -= valid[n, k] * (target * np.log(chance)).sum()
        x, y = (chance.sum(0) * np.arange(5)).sum(), (chance.sum(1) * np.arange(4)).sum()
        error += valid[n, k] * (abs(x - truth[n, k, 0] / 4) + abs(y - truth[n, k, 1] / 4))
    got = posefix_loss(*(torch.from_numpy(value) for value in (logits, truth, valid)))
    assert got.item() == pytest.approx(entropy / 34 + error / 68)


def test_input_box_is_the_pose_widened_about_its_centre() -> None:
    xy = np.zeros((17, 2), np.float32)
    xy[0], xy[1:] = (10, 40), (30, 90)
    assert input_box(xy) == pytest.approx((8.0, 35.0, 24.0, 60.0))
    assert input_box(np.full((17, 2), 5, np.float32))[2:] == pytest.approx((24.0, 24.0))


def graph(flip: FlipTest, unscored: UnscoredJoints = UnscoredJoints.INVALID) -> PoseFixGraph:
    torch.manual_seed(0)
    return PoseFixGraph(PoseFix(50).eval(), 7.0, flip, unscored)


def example() -> tuple[torch.Tensor, torch.Tensor]:
    crops = torch.randint(0, 256, (1, 64, 32, 3), dtype=torch.uint8)
    poses = torch.rand(1, 17, 3) * torch.tensor([32.0, 64.0, 1.0])
    poses[0, 6, 2] = 0
    return crops, poses


def test_graph_stacks_picture_then_pose_and_keeps_confidences() -> None:
    crops, poses = example()
    model = graph(FlipTest.OFF)
    with torch.no_grad():
        valid = (poses[..., 2] > 0).float()
        stacked = torch.cat(
            [posefix_pixels(crops), pose_maps(poses[..., :2], valid, (32, 64), 7)], 1
        )
        expected = soft_argmax(model.network(stacked)) * 4
        got = model(crops, poses)
    torch.testing.assert_close(got[..., :2], expected)
    assert torch.equal(got[..., 2], poses[..., 2])


def test_joints_without_confidence_are_left_out_unless_parity_is_asked_for() -> None:
    crops, poses = example()
    other = poses.clone()
    other[0, 6, :2] = 3
    with torch.no_grad():
        ours, published = graph(FlipTest.OFF), graph(FlipTest.OFF, UnscoredJoints.DRAWN)
        torch.testing.assert_close(ours(crops, poses)[:, :6], ours(crops, other)[:, :6])
        assert not torch.equal(published(crops, poses)[:, :6], published(crops, other)[:, :6])


def test_flip_test_averages_coordinates() -> None:
    crops, poses = example()
    straight, both = graph(FlipTest.OFF), graph(FlipTest.AVERAGE)
    flipped = poses[:, SWAP].clone()
    flipped[..., 0] = 31 - flipped[..., 0]
    with torch.no_grad():
        first = straight(crops, poses)
        second = straight(crops.flip(2), flipped)[:, SWAP]
        second[..., 0] = 31 - second[..., 0]
        torch.testing.assert_close(both(crops, poses)[..., :2], ((first + second) / 2)[..., :2])
