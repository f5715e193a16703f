import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from builders.networks.centre_sampling import STRIDES, flat, level_ranges, locations
from builders.networks.smpr import SmprMaps
from builders.networks.smpr_assignment import assign, boxes_of, heat_labels, similarities
from builders.networks.smpr_loss import (
    focal_sum,
    heat_loss,
    similarity_loss,
    smpr_loss,
    targets_of,
    weighted_l1,
)
from stream.errors import PoseError

Array = NDArray[np.float64]
SIZES = [(16, 16), (8, 8), (4, 4), (2, 2), (1, 1)]
SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000


def people(seed: int, count: int) -> tuple[Array, Array]:
    """Joints (G, 17, 3) of people of many sizes on a 128 x 128 picture, and areas."""
    random = np.random.default_rng(seed)
    side = random.uniform(20, 110, (count, 1, 2))
    corner = random.uniform(0, 1, (count, 1, 2)) * (127 - side)
    joints = np.concatenate(
        [
            corner + random.uniform(0, 1, (count, 17, 2)) * side,
            random.integers(0, 3, (count, 17, 1)),
        ],
        -1,
    )
    joints[:, 0, 2] = 2
    return joints, random.uniform(200, 3000, count)


def oks(truth: Array, area: float, pose: Array) -> float:
    terms = [
        math.exp(-((truth[k, :2] - pose[k]) ** 2).sum() / (2 * area * (2 * SIGMAS[k]) ** 2))
        for k in range(17)
        if truth[k, 2] > 0
    ]
    return sum(terms) / len(terms)


def test_assignment_equals_a_loop_over_locations_and_people() -> None:
    joints, areas = people(0, 6)
    where = locations(SIZES, torch.zeros(1, dtype=torch.float64))
    points = where.points.numpy()
    noise = np.random.default_rng(1).normal(scale=8, size=(len(points), 17, 2))
    poses = joints[np.arange(len(points)) % 6, :, :2] + noise
    got = assign(where, *(torch.from_numpy(value) for value in (joints, areas, poses)))
    every = np.array([[oks(joints[g], areas[g], pose) for pose in poses] for g in range(6)])
    index = 0
    positives = 0
    for level, (rows, columns) in enumerate(SIZES):
        for row in range(rows):
            for column in range(columns):
                stride = STRIDES[level]
                x, y = stride * column + stride // 2, stride * row + stride // 2
                smallest, owner = math.inf, -1
                for g in range(6):
                    known = joints[g, joints[g, :, 2] > 0, :2]
                    x1, y1 = known.min(0)
                    x2, y2 = known.max(0) - 1
                    farthest = max(x - x1, y - y1, x2 - x, y2 - y)
                    reach = 1.5 * stride
                    mx, my = (x1 + x2) / 2, (y1 + y2) / 2
                    inside = max(mx - reach, x1) < x < min(mx + reach, x2) and max(
                        my - reach, y1
                    ) < y < min(my + reach, y2)
                    low, high = level_ranges(5)[level]
                    area = (x2 - x1 + 1) * (y2 - y1 + 1)
                    if inside and low <= farthest <= high and area < smallest:
                        smallest, owner = area, g
                alike = every[:, index].max()
                best_of_somebody = any(every[g, index] == every[g].max() for g in range(6))
                assert bool(got.initial[index]) == (owner >= 0)
                assert bool(got.refined[index]) == (
                    owner >= 0 and (alike >= 0.5 or best_of_somebody)
                )
                assert got.similarity[index].item() == pytest.approx(alike)
                if owner >= 0:
                    offset = (joints[owner, :, :2] - [x, y]) / stride
                    np.testing.assert_allclose(got.offset[index].numpy(), offset.ravel())
                    visible = np.repeat(joints[owner, :, 2] > 0, 2)
                    np.testing.assert_array_equal(got.visible[index].numpy() > 0, visible)
                    positives += 1
                index += 1
    assert positives > 10
    assert got.initial.sum() > got.refined.sum() > 0


def test_boxes_span_labelled_joints_and_end_a_pixel_earlier() -> None:
    joints = torch.zeros(1, 17, 3)
    joints[0, 3] = torch.tensor([10.0, 20.0, 1.0])
    joints[0, 9] = torch.tensor([30.0, 60.0, 2.0])
    assert boxes_of(joints).tolist() == [[10, 20, 29, 59]]


def test_people_without_labels_are_refused() -> None:
    with pytest.raises(PoseError, match="at least one labelled joint"):
        boxes_of(torch.zeros(1, 17, 3))


def test_the_best_guess_of_a_person_learns_however_little_it_resembles() -> None:
    joints = torch.zeros(1, 17, 3, dtype=torch.float64)
    joints[0, :, :2] = torch.tensor([[20.0, 20.0]]) + 40 * torch.rand(17, 2)
    joints[0, :, 2] = 1
    where = locations(SIZES, joints)
    far = torch.full((len(where.points), 17, 2), 300.0, dtype=torch.float64)
    x1, y1, x2, y2 = boxes_of(joints)[0].tolist()
    middle = torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2], dtype=torch.float64)
    best = int((where.points[:256] - middle).square().sum(1).argmin())
    far[best] = 200.0
    targets = assign(where, joints, torch.tensor([9000.0], dtype=torch.float64), far)
    assert 0 < targets.similarity[best].item() < 0.01
    assert targets.refined.nonzero().tolist() == [[best]]


def test_a_picture_without_people_has_no_targets() -> None:
    where = locations(SIZES, torch.zeros(1))
    guess = torch.zeros(len(where.points), 17, 2)
    targets = assign(where, torch.zeros(0, 17, 3), torch.zeros(0), guess)
    assert not targets.initial.any()
    assert not targets.refined.any()


def test_similarities_use_segment_areas_and_labelled_joints() -> None:
    joints, areas = people(2, 3)
    poses = joints[:2, :, :2] + 3
    got = similarities(*(torch.from_numpy(value) for value in (joints, areas, poses)))
    expected = [[oks(joints[g], areas[g], pose) for pose in poses] for g in range(3)]
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5)


def test_heat_labels_hold_the_last_joint_of_a_cell() -> None:
    joints = torch.zeros(2, 17, 3)
    joints[0, 4] = torch.tensor([21.0, 12.0, 1])  # cell round(17 / 8) = 2, row 1
    joints[0, 6] = torch.tensor([20.0, 13.0, 2])  # the same cell
    joints[0, 8] = torch.tensor([20.0, 13.0, 0])  # unlabelled
    joints[1, 0] = torch.tensor([500.0, 12.0, 1])  # outside
    labels = heat_labels(joints, 3, 4)
    assert labels[1, 2].item() == 7
    assert labels.count_nonzero().item() == 1


def test_focal_loss_equals_its_formula() -> None:
    logits, truth = np.array([-2.0, 0.5, 3.0]), np.array([1.0, 0.0, 1.0])
    p = 1 / (1 + np.exp(-logits))
    terms = np.where(truth > 0, -0.25 * (1 - p) ** 2 * np.log(p), -0.75 * p**2 * np.log(1 - p))
    got = focal_sum(torch.from_numpy(logits), torch.from_numpy(truth))
    assert got.item() == pytest.approx(terms.sum())


def random_maps(pictures: int) -> SmprMaps:
    generator = torch.Generator().manual_seed(5)

    def levels(channels: int) -> tuple[torch.Tensor, ...]:
        return tuple(
            torch.randn(pictures, channels, *size, generator=generator, dtype=torch.float64)
            for size in SIZES
        )

    heat = torch.randn(pictures, 17, 16, 16, generator=generator, dtype=torch.float64)
    return SmprMaps(levels(1), levels(34), levels(34), levels(1), heat)


def test_losses_equal_a_loop_over_locations() -> None:
    maps = random_maps(2)
    truth = [people(3, 4), people(4, 2)]
    joints = [torch.from_numpy(each[0]) for each in truth]
    areas = [torch.from_numpy(each[1]) for each in truth]
    got = smpr_loss(maps, joints, areas)
    targets = targets_of(maps, joints, areas)
    first, second = flat(maps.initial).numpy(), flat(maps.refined).numpy()
    person, score = flat(maps.person).numpy()[..., 0], flat(maps.similarity).numpy()[..., 0]
    focal, l1, weight, refined, refined_weight, entropy = 0.0, 0.0, 0.0, 0.0, 0.0, []
    for b in range(2):
        for p in range(first.shape[1]):
            chance = 1 / (1 + math.exp(-person[b, p]))
            if targets[b].refined[p]:
                focal -= 0.25 * (1 - chance) ** 2 * math.log(chance)
            else:
                focal -= 0.75 * chance**2 * math.log(1 - chance)
            alike = targets[b].similarity[p].item()
            visible, offset = targets[b].visible[p].numpy(), targets[b].offset[p].numpy()
            if targets[b].initial[p]:
                l1 += alike * (np.abs(first[b, p] - offset) * visible).sum()
                weight += alike
            if targets[b].refined[p]:
                refined += alike * (np.abs(second[b, p] - offset) * visible).sum()
                refined_weight += alike
                q = 1 / (1 + math.exp(-score[b, p]))
                entropy.append(-alike * math.log(q) - (1 - alike) * math.log(1 - q))
    assert got["person"].item() == pytest.approx(focal / (len(entropy) + 2))
    assert got["initial"].item() == pytest.approx(0.05 * l1 / weight)
    assert got["refined"].item() == pytest.approx(0.1 * refined / refined_weight)
    assert got["similarity"].item() == pytest.approx(np.mean(entropy))


def test_heat_loss_is_focal_over_labelled_cells_and_pictures_times_four() -> None:
    maps = random_maps(1)
    joints = torch.zeros(1, 17, 3, dtype=torch.float64)
    joints[0, 5] = torch.tensor([44.0, 60.0, 2.0])  # cell 5, row 7
    assert maps.joint_heat is not None
    truth = torch.zeros_like(maps.joint_heat)
    truth[0, 5, 7, 5] = 1
    expected = focal_sum(maps.joint_heat, truth) / 2
    assert heat_loss(maps.joint_heat, [joints]).item() == pytest.approx(expected.item())
    total = smpr_loss(maps, [joints], [torch.tensor([50.0], dtype=torch.float64)])
    assert total["heat"].item() == pytest.approx(4 * expected.item())


def test_without_positives_only_background_is_learnt() -> None:
    maps = random_maps(1)
    losses = smpr_loss(maps, [torch.zeros(0, 17, 3)], [torch.zeros(0)])
    assert losses["initial"].item() == losses["refined"].item() == losses["similarity"].item() == 0
    assert losses["person"].item() > 0


def test_similarity_loss_falls_back_to_the_locations_of_the_first_guess() -> None:
    joints, areas = people(0, 1)
    where = locations(SIZES, torch.zeros(1, dtype=torch.float64))
    pose = torch.from_numpy(joints[:, :, :2]).expand(len(where.points), -1, -1).clone()
    targets = assign(where, torch.from_numpy(joints), torch.from_numpy(areas), pose)
    logits = torch.zeros(len(where.points), dtype=torch.float64)
    assert similarity_loss(logits, targets).item() == pytest.approx(math.log(2))
    assert weighted_l1(targets.offset + 1, targets, targets.initial).item() == pytest.approx(
        targets.visible[targets.initial][0].sum().item()
    )


def test_the_loss_wants_maps_of_training_mode() -> None:
    maps = random_maps(1)
    evaluated = SmprMaps(maps.person, maps.initial, maps.refined, maps.similarity)
    with pytest.raises(PoseError, match="training mode"):
        smpr_loss(evaluated, [torch.zeros(0, 17, 3)], [torch.zeros(0)])
