import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from builders.networks.centre_sampling import STRIDES, level_points
from builders.networks.smpr import SmprMaps
from builders.networks.smpr_decode import (
    SmprCandidates,
    SmprDecodeSettings,
    candidates,
    mirrored_back,
    pooled,
    poses,
)

Array = NDArray[np.float64]
SIDES = (8, 4, 2, 1, 1)


def random_maps(seed: int) -> SmprMaps:
    random = torch.Generator().manual_seed(seed)

    def levels(channels: int) -> tuple[torch.Tensor, ...]:
        return tuple(
            torch.randn(1, channels, side, side, generator=random, dtype=torch.float64)
            for side in SIDES
        )

    return SmprMaps(levels(1), levels(34), levels(34), levels(1))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def test_points_are_stride_times_index_plus_half_the_stride() -> None:
    points = level_points(2, 3, 16, torch.zeros(1))
    assert points.tolist() == [[8, 8], [24, 8], [40, 8], [8, 24], [24, 24], [40, 24]]


def test_candidates_equal_a_worked_example() -> None:
    maps = random_maps(0)
    found = candidates(maps, torch.tensor([59, 49]), SmprDecodeSettings(per_level=5))
    start = 0
    for level, (side, stride) in enumerate(zip(SIDES, STRIDES, strict=True)):
        person = sigmoid(maps.person[level][0, 0].numpy())
        product = person * sigmoid(maps.similarity[level][0, 0].numpy())
        cells = np.argsort(-product.ravel())[:5]
        for rank, cell in enumerate(cells):
            row, column = divmod(int(cell), side)
            offsets = maps.refined[level][0, :, row, column].numpy() * stride
            x = np.clip((column + 0.5) * stride + offsets[0::2], 0, 59)
            y = np.clip((row + 0.5) * stride + offsets[1::2], 0, 49)
            got = found.keypoints[0, start + rank].numpy()
            np.testing.assert_allclose(got, np.stack([x, y], -1))
            assert found.score[0, start + rank].item() == pytest.approx(product[row, column])
            assert found.person[0, start + rank].item() == pytest.approx(person[row, column])
        filling = slice(start + len(cells), start + 5)
        assert not found.score[0, filling].any()
        assert not found.person[0, filling].any()
        start += 5
    assert found.score.shape == (1, start)
    assert found.confidence.shape == (1, start, 17)
    assert (found.confidence == 1).all()


def test_the_person_threshold_applies_before_the_product() -> None:
    keypoints = (
        np.random.default_rng(0).uniform(0, 9, (3, 17, 2)) + np.array([0, 50, 100])[:, None, None]
    )
    person, score = np.array([0.05, 0.06, 0.9]), np.array([0.04, 0.002, 0.3])
    people, scores = poses(keypoints, person, score, SmprDecodeSettings())
    assert scores.tolist() == [0.3, 0.002]  # 0.05 itself is dropped, a small product is not
    np.testing.assert_array_equal(people, keypoints[[2, 1]])


def test_at_most_twenty_people_and_none_from_none() -> None:
    keypoints = (
        np.random.default_rng(0).uniform(0, 9, (40, 17, 2)) + 50 * np.arange(40)[:, None, None]
    )
    score = np.linspace(0.5, 0.9, 40)
    people, scores = poses(keypoints, score, score, SmprDecodeSettings())
    assert len(people) == len(scores) == 20
    assert scores[0] == 0.9
    people, scores = poses(keypoints[:0], score[:0], score[:0], SmprDecodeSettings())
    assert people.shape == (0, 17, 2)


def test_several_sizes_and_mirrors_are_pooled_in_source_pixels() -> None:
    sure = torch.ones(1, 1, 17), torch.ones(1, 1), torch.ones(1, 1)
    one = SmprCandidates(torch.full((1, 1, 17, 2), 30.0), *sure)
    back = mirrored_back(one, 101)
    assert back.keypoints[0, 0, 0].tolist() == [70.0, 30.0]
    side = SmprCandidates(torch.arange(34.0).view(1, 1, 17, 2), *sure)
    assert mirrored_back(side, 101).keypoints[0, 0, 5].tolist() == [100 - 12.0, 13.0]
    both = pooled([one, back], [2.0, 0.5])
    assert both.keypoints[0, :, 0].tolist() == [[15.0, 15.0], [140.0, 60.0]]
