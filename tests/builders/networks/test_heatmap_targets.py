import math

import numpy as np
import pytest
import torch

from builders.networks.heatmap_targets import gaussian_targets, heatmap_loss


def test_a_patch_equals_a_worked_example() -> None:
    joints = np.array([[41.0, 30.0, 1.0]], np.float32)  # cell int(10.25 + .5) = 10, int(8.0) = 8
    heat, weight = gaussian_targets(joints, (20, 16), stride=4, sigma=2)
    assert weight.tolist() == [1.0]
    for row in range(16):
        for column in range(20):
            inside = abs(row - 8) <= 6 and abs(column - 10) <= 6  # 6 sigma + 1 = 13 cells
            bell = math.exp(-((row - 8) ** 2 + (column - 10) ** 2) / 8) if inside else 0
            assert heat[0, row, column] == pytest.approx(bell, abs=1e-6)


@pytest.mark.parametrize(
    ("x", "known", "expected"),
    [
        (0.0, 1, 1.0),
        (-24.0, 1, 1.0),  # cell -5: columns -11..1 touch the map
        (-30.0, 1, 0.0),  # cell int(-7.0) = -7: columns up to -1
        (80 + 21.0, 1, 1.0),  # cell 25: columns from 19
        (80 + 22.0, 1, 0.0),  # cell 26: columns from 20
        (40.0, 0, 0.0),
    ],
)
def test_weight_is_zero_when_unknown_or_wholly_outside(
    x: float, known: int, expected: float
) -> None:
    joints = np.array([[x, 32.0, known]], np.float32)
    heat, weight = gaussian_targets(joints, (20, 16), stride=4, sigma=2)
    assert weight.tolist() == [expected]
    assert (heat.max() > 0) == bool(expected)


def test_sigma_3_draws_nineteen_cells() -> None:
    heat, _ = gaussian_targets(np.array([[160, 160, 1]], np.float32), (80, 80), 4, 3)
    assert int((heat[0, 40] > 0).sum()) == 19


def test_loss_equals_the_loop_of_the_reference_in_float64() -> None:
    random = np.random.default_rng(3)
    predicted, target = random.normal(size=(2, 4, 3, 5, 6))
    weight = random.integers(0, 2, (4, 3)).astype(np.float64)
    expected = 0.0
    for joint in range(3):
        difference = (predicted[:, joint] - target[:, joint]) * weight[:, joint, None, None]
        expected += 0.5 * (difference**2).mean()
    got = heatmap_loss(*(torch.from_numpy(value) for value in (predicted, target, weight)))
    assert got.item() == pytest.approx(expected / 3)


def test_an_exact_gaussian_stays_between_cells() -> None:
    joints = np.array([[33.0, 26.0, 1]], np.float32)  # cell 8.25, 6.5
    heat, weight = gaussian_targets(joints, (20, 16), stride=4, sigma=1.1, exact=True)
    assert weight[0] == 1
    rows, columns = np.mgrid[:16, :20]
    mass = heat[0] / heat[0].sum()
    assert (mass * columns).sum() == pytest.approx(8.25, abs=0.02)
    assert (mass * rows).sum() == pytest.approx(6.5, abs=0.02)
    assert heat[0, 6, 8] == pytest.approx(heat[0, 7, 8])
    assert heat.max() < 1
