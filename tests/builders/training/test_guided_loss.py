import math

import numpy as np
import pytest
import torch

from builders.networks.guided_heatmaps import GuidedMaps
from builders.training.guided_loss import around, centres, guess_loss, guided_parts

H, W = 10, 8


def labels() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    xy = torch.rand(2, 17, 2, generator=generator) * torch.tensor([W, H])
    weight = (torch.rand(2, 17, generator=generator) > 0.4).float()
    return xy, weight


def exact_guess(xy: torch.Tensor) -> torch.Tensor:
    """(B, 34, H, W) offsets that hit every joint from every cell."""
    regress = torch.zeros(len(xy), 17, 2, H, W)
    for y in range(H):
        for x in range(W):
            regress[:, :, 0, y, x] = xy[..., 1] - y
            regress[:, :, 1, y, x] = xy[..., 0] - x
    return regress.flatten(1, 2)


def test_the_centre_is_the_mean_of_the_known_joints() -> None:
    xy, weight = labels()
    middle, known = centres(xy, weight)
    for b in range(2):
        np.testing.assert_allclose(middle[b], xy[b][weight[b] > 0].mean(0), rtol=1e-5)
    assert known.tolist() == [1, 1]
    assert centres(xy, torch.zeros(2, 17))[1].tolist() == [0, 0]


def test_a_guess_that_is_off_costs_its_distance_and_only_near_the_centre() -> None:
    xy, weight = labels()
    middle, _ = centres(xy, weight)
    right = exact_guess(xy)
    assert guess_loss(right, middle, xy, weight).item() == pytest.approx(0, abs=1e-5)
    assert guess_loss(right + 3, middle, xy, weight).item() == pytest.approx(3, rel=1e-5)
    far = torch.ones(2, 1, H, W)
    for b, y, x in np.ndindex(2, H, W):
        if math.hypot(x - middle[b, 0], y - middle[b, 1]) <= 2.5:
            far[b, 0, y, x] = 0
    assert guess_loss(right + 9 * far, middle, xy, weight).item() == pytest.approx(0, abs=1e-5)


def test_unknown_joints_teach_nothing() -> None:
    xy, weight = labels()
    middle, _ = centres(xy, weight)
    wrong = exact_guess(xy).reshape(2, 17, 2, H, W)
    wrong[weight == 0] += 50
    loss = guess_loss(wrong.flatten(1, 2), middle, xy, weight)
    assert loss.item() == pytest.approx(0, abs=1e-5)


def test_true_maps_cost_nothing() -> None:
    xy, weight = labels()
    middle, _ = centres(xy, weight)
    wanted = around(middle, torch.Size((H, W)), 2.0)[:, None]
    maps = GuidedMaps(torch.zeros(2, 17, H, W), wanted, exact_guess(xy))
    parts = guided_parts(maps, xy, weight)
    assert parts.keys() == {"centre", "guess"}
    assert all(part.item() == pytest.approx(0, abs=1e-6) for part in parts.values())
    peak = divmod(int(wanted[0, 0].argmax()), W)
    assert peak == (round(middle[0, 1].item()), round(middle[0, 0].item()))
