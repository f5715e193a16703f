import numpy as np
import pytest
import torch

from builders.networks.bottom_up import BottomUpMaps
from builders.training.losses import LossWeights, bottom_up_loss


def test_loss_equals_the_worked_sum_in_float64() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.normal(size=(2, 18, 4, 5)).astype(np.float32)
    heat, weight = rng.uniform(size=(2, 2, 18, 4, 5)).astype(np.float32)
    offset, truth = rng.normal(size=(2, 2, 34, 4, 5)).astype(np.float32)
    offset_weight = (
        rng.uniform(size=(2, 34, 4, 5)) * (rng.uniform(size=(2, 34, 4, 5)) < 0.2)
    ).astype(np.float32)
    maps = BottomUpMaps(
        torch.from_numpy(predicted[:, :17]),
        torch.from_numpy(predicted[:, 17:]),
        torch.from_numpy(offset),
    )
    targets = tuple(torch.from_numpy(a) for a in (heat, weight, truth, offset_weight))
    total, parts = bottom_up_loss(
        maps, (targets[0], targets[1], targets[2], targets[3]), LossWeights(offset=0.03)
    )
    expected_heat = np.mean((predicted.astype(np.float64) - heat) ** 2 * weight)
    error = np.abs(offset.astype(np.float64) - truth)
    beta = 1 / 9
    smooth = np.where(error < beta, 0.5 * error**2 / beta, error - 0.5 * beta)
    expected_offset = (smooth * offset_weight).sum() / (offset_weight > 0).sum()
    assert parts["heat"].item() == pytest.approx(expected_heat, rel=1e-5)
    assert parts["offset"].item() == pytest.approx(expected_offset, rel=1e-5)
    assert total.item() == pytest.approx(expected_heat + 0.03 * expected_offset, rel=1e-5)


def test_a_batch_without_people_has_a_finite_loss() -> None:
    maps = BottomUpMaps(torch.zeros(1, 17, 2, 2), torch.zeros(1, 1, 2, 2), torch.zeros(1, 34, 2, 2))
    zeros = [torch.zeros(1, n, 2, 2) for n in (18, 18, 34, 34)]
    total, _ = bottom_up_loss(maps, (zeros[0], zeros[1], zeros[2], zeros[3]), LossWeights())
    assert total.item() == 0
