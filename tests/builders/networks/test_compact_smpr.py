import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from builders.networks.centre_sampling import flat
from builders.networks.compact_pyramid import STRIDES, compact_pixels, first_pose
from builders.networks.compact_smpr import CompactSmpr
from builders.networks.smpr import SmprMaps
from builders.networks.smpr_decode import SmprDecodeSettings
from builders.networks.smpr_graph import SmprGraph
from builders.networks.smpr_loss import (
    SmprCertainty,
    focal_sum,
    heat_loss,
    joint_similarity_loss,
    person_loss,
    smpr_loss,
    targets_of,
)
from stream.skeleton import COCO_17

Array = NDArray[np.float64]
SIZES = ((12, 16), (6, 8), (3, 4))
"""Of the levels of a canvas of 128 x 96."""


def person(seed: int, low: float, high: float) -> Array:
    """(17, 3) joints between two pixels of either axis, all known."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.uniform(low, high, (17, 2)), np.ones((17, 1))], 1)


def random_maps(pictures: int = 1) -> SmprMaps:
    generator = torch.Generator().manual_seed(3)

    def levels(channels: int) -> tuple[torch.Tensor, ...]:
        return tuple(
            torch.randn(pictures, channels, *size, generator=generator, dtype=torch.float64)
            for size in SIZES
        )

    heat = torch.randn(pictures, 17, *SIZES[0], generator=generator, dtype=torch.float64)
    return SmprMaps(levels(1), levels(34), levels(34), levels(1), heat, levels(17))


class _Fixed(torch.nn.Module):
    def __init__(self, maps: SmprMaps) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, _: torch.Tensor) -> SmprMaps:
        return self.maps


def maps_near(joints: Array) -> SmprMaps:
    """Maps whose poses lie a few pixels beside the joints."""
    maps = random_maps()
    initial = []
    for noise, stride in zip(maps.initial, STRIDES, strict=True):
        rows, columns = np.mgrid[: noise.shape[2], : noise.shape[3]] * stride + stride // 2
        points = np.stack([columns, rows])[None]  # (1, 2, H, W)
        offsets = (joints[:, :2, None, None] - points) / stride
        initial.append(torch.from_numpy(offsets.reshape(noise.shape)) + noise * 3 / stride)
    return replace(maps, initial=tuple(initial), refined=tuple(initial[:]))


@pytest.mark.parametrize("stride", STRIDES)
def test_the_first_pose_points_from_each_level_where_movenet_points_from_its_cells(
    stride: int,
) -> None:
    joint = np.array([37.0, 52.0])
    rows, columns = np.mgrid[:24, :32]
    cells = np.stack([rows, columns], -1) * 4 + 1.5  # (y, x) pixels of stride-4 cells
    regress = np.tile(((joint[::-1] - cells) / 4).transpose(2, 0, 1), (17, 1, 1))
    pose = first_pose(torch.from_numpy(regress)[None], stride)[0].numpy()
    assert pose.shape == (34, 96 // stride, 128 // stride)
    for row in range(96 // stride):
        for column in range(128 // stride):
            point = np.array([column, row]) * stride + stride // 2
            np.testing.assert_allclose(
                pose[:, row, column].reshape(17, 2) * stride + point, np.tile(joint, (17, 1))
            )


def test_levels_and_outputs_have_the_shapes_of_three_strides() -> None:
    network = CompactSmpr(16, 1)
    pixels = torch.zeros(2, 3, 64, 96)
    maps = network.train()(pixels)
    assert [tuple(level.shape) for level in maps.refined] == [
        (2, 34, 64 // stride, 96 // stride) for stride in STRIDES
    ]
    assert maps.joint_similarity is not None
    assert maps.joint_similarity[2].shape == (2, 17, 2, 3)
    assert maps.joint_heat is not None
    assert maps.joint_heat.shape == (2, 17, 8, 12)
    assert network.eval()(pixels).joint_heat is None


def test_the_first_guess_starts_from_movenets_pose() -> None:
    torch.manual_seed(0)
    network = CompactSmpr(16, 1).eval()
    pixels = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.no_grad():
        poses, maps = network.pyramid(pixels).poses, network(pixels)
        for level in range(3):
            regression = network.head.reg_convs[0](network.pyramid(pixels).features[level])
            learnt = network.head.fcos_reg(regression)
            torch.testing.assert_close(maps.initial[level], poses[level] + learnt)


def test_pixels_lie_between_minus_one_and_one() -> None:
    canvas = torch.tensor([[[[0, 255, 127]]]], dtype=torch.uint8)
    assert compact_pixels(canvas)[0, :, 0, 0].tolist() == pytest.approx([-1, 1, -1 / 255])


def test_gradient_flows_into_every_parameter() -> None:
    torch.manual_seed(0)
    network = CompactSmpr(32, 1).train()
    pixels = torch.rand(2, 3, 96, 128) * 2 - 1
    sizes = ((10, 50), (-30, 140), (-90, 210))  # one for each level
    people = np.stack([person(seed, *size) for seed, size in enumerate(sizes)])
    joints = [torch.from_numpy(people).float(), torch.from_numpy(people[:1]).float()]
    maps = network(pixels)
    areas = torch.full((3,), 1e6)  # so large that the first guesses are like the people
    losses = smpr_loss(maps, joints, [areas, areas[:1]])
    sum(losses.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    silent = {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    }
    assert silent == set()


def test_joint_confidence_learns_each_joints_own_term_of_the_oks() -> None:
    joints = person(5, 20, 80)
    maps = maps_near(joints)
    joints[3, 2], joints[4, 2], joints[9, 2] = 0, -1, 0.5  # unknown, absent, a teacher's
    area = 1500.0
    arguments = [torch.from_numpy(joints)[None]], [torch.tensor([area], dtype=torch.float64)]
    targets = targets_of(maps, *arguments)[0]
    refined = flat(maps.refined)[0].numpy()
    assert maps.joint_similarity is not None
    logits = flat(maps.joint_similarity)[0].numpy()
    strides = np.repeat(STRIDES, [height * width for height, width in SIZES])
    points = np.concatenate(
        [
            [
                (x * stride + stride // 2, y * stride + stride // 2)
                for y in range(h)
                for x in range(w)
            ]
            for (h, w), stride in zip(SIZES, STRIDES, strict=True)
        ]
    )
    total, weights = 0.0, 0.0
    for index in np.flatnonzero(targets.refined.numpy()):
        for joint, (x, y, label) in enumerate(joints):
            if label == 0:
                continue
            at = refined[index, 2 * joint : 2 * joint + 2] * strides[index] + points[index]
            distance = (at[0] - x) ** 2 + (at[1] - y) ** 2
            alike = math.exp(-distance / (2 * area * (2 * COCO_17.sigmas[joint]) ** 2))
            wanted = alike if label > 0 else 0.0
            chance = 1 / (1 + math.exp(-logits[index, joint]))
            entropy = -wanted * math.log(chance) - (1 - wanted) * math.log(1 - chance)
            total += abs(label) * entropy
            weights += abs(label)
    assert weights > 10
    got = smpr_loss(maps, *arguments)["joints"]
    assert got.item() == pytest.approx(total / weights, rel=1e-5)


def test_absent_joints_teach_nothing_but_the_confidence() -> None:
    maps = maps_near(person(5, 20, 80))
    joints = torch.from_numpy(person(5, 20, 80))[None]
    joints[0, 4, 2] = 0
    areas = [torch.tensor([1500.0], dtype=torch.float64)]
    unknown = smpr_loss(maps, [joints], areas)
    joints = joints.clone()
    joints[0, 4, 2] = -1
    absent = smpr_loss(maps, [joints], areas)
    assert {name for name in unknown if unknown[name] != absent[name]} == {"joints"}


def test_no_positive_location_teaches_the_confidence_nothing() -> None:
    maps = random_maps()
    targets = targets_of(maps, [torch.zeros(0, 17, 3)], [torch.zeros(0)])[0]
    strides = torch.ones(len(targets.area))
    refined = flat(maps.refined)[0]
    loss = joint_similarity_loss(torch.zeros(len(strides), 17), refined, targets, strides)
    assert loss.item() == 0


def test_uncertain_background_weighs_less_and_people_fully() -> None:
    maps = maps_near(person(5, 20, 80))
    joints = torch.from_numpy(person(5, 20, 80))[None]
    areas = [torch.tensor([1500.0], dtype=torch.float64)]
    [targets] = targets_of(maps, [joints], areas)
    people = targets.refined.double()
    logits = flat(maps.person)[0, :, 0]
    nothing = SmprCertainty(
        tuple(torch.zeros(1, *size, dtype=torch.float64) for size in SIZES),
        torch.zeros(1, 17, *SIZES[0], dtype=torch.float64),
    )
    expected = focal_sum(logits[targets.refined], people[targets.refined]) / (people.sum() + 1)
    assert people.sum() > 0
    assert person_loss(maps, targets, nothing).item() == pytest.approx(expected.item())
    half = SmprCertainty(
        tuple(level + 0.5 for level in nothing.person), torch.full_like(nothing.heat, 0.5)
    )
    mean = (person_loss(maps, targets, nothing) + person_loss(maps, targets)) / 2
    assert person_loss(maps, targets, half).item() == pytest.approx(mean.item())
    assert maps.joint_heat is not None
    sums = [heat_loss(maps.joint_heat, [joints], each).item() for each in (nothing, half, None)]
    assert sums[1] == pytest.approx((sums[0] + sums[2]) / 2)


def test_candidates_of_three_levels_equal_a_worked_example() -> None:
    maps = random_maps()
    graph = SmprGraph(_Fixed(maps), compact_pixels, SmprDecodeSettings(8, person=0.5))
    keypoints, scores = (each[0].numpy() for each in graph(torch.zeros(1, 96, 128, 3)))
    assert maps.joint_similarity is not None
    for level, (size, stride) in enumerate(zip(SIZES, STRIDES, strict=True)):
        chance = 1 / (1 + np.exp(-maps.person[level][0, 0].numpy()))
        product = chance / (1 + np.exp(-maps.similarity[level][0, 0].numpy()))
        for rank, cell in enumerate(np.argsort(-product.ravel())[:8]):
            row, column = divmod(int(cell), size[1])
            offsets = maps.refined[level][0, :, row, column].numpy().reshape(17, 2)
            points = offsets * stride + np.array([column, row]) * stride + stride // 2
            sure = 1 / (1 + np.exp(-maps.joint_similarity[level][0, :, row, column].numpy()))
            expected = np.column_stack([np.clip(points, 0, [127, 95]), sure])
            np.testing.assert_allclose(keypoints[8 * level + rank], expected)
            score = product[row, column] if chance[row, column] > 0.5 else 0
            assert scores[8 * level + rank] == pytest.approx(score)
    assert 0 < (scores > 0).sum() < 24
