import numpy as np
import torch
from torch.nn import functional

from builders.networks.adaptive import AdaptiveConvolution, TransformUnit, sample_transformed_taps


def worked_tap(plane: np.ndarray, y: float, x: float) -> float:
    """Bilinear value with zeros outside, in float64, corner by corner."""
    total = 0.0
    for row in (int(np.floor(y)), int(np.floor(y)) + 1):
        for column in (int(np.floor(x)), int(np.floor(x)) + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * plane[row, column]
    return total


def test_taps_lie_at_dilation_minus_one_times_grid_plus_transformed_grid() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(2, 3, 5, 7))
    transform = rng.normal(size=(2, 4, 5, 7))
    dilation = 2
    taps = sample_transformed_taps(torch.tensor(features), torch.tensor(transform), dilation)
    values = taps.reshape(2, 3, 9, 5, 7).numpy()
    grid = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)]
    for _ in range(60):
        b, c, k = rng.integers(2), rng.integers(3), rng.integers(9)
        i, j = rng.integers(5), rng.integers(7)
        matrix = transform[b, :, i, j].reshape(2, 2)
        moved = matrix @ np.array(grid[k]) + (dilation - 1) * np.array(grid[k])
        expected = worked_tap(features[b, c], i + moved[0], j + moved[1])
        assert abs(values[b, c, k, i, j] - expected) < 1e-9


def test_identity_transform_is_a_plain_dilated_convolution() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 4, 9, 8, dtype=torch.float64)
    convolution = AdaptiveConvolution(4).double()
    kernel = convolution.weight.weight.reshape(4, 4, 3, 3)
    identity = torch.tensor([1.0, 0, 0, 1]).double().view(1, 4, 1, 1).expand(1, 4, 9, 8)
    for dilation in (1, 2, 3):
        plain = functional.conv2d(features, kernel, padding=dilation, dilation=dilation)
        assert torch.allclose(convolution(features, identity, dilation), plain, atol=1e-9)


def test_zero_transform_reads_the_pixel_itself_nine_times() -> None:
    features = torch.randn(1, 2, 4, 4)
    taps = sample_transformed_taps(features, torch.zeros(1, 4, 4, 4), 1).reshape(1, 2, 9, 4, 4)
    assert torch.allclose(taps, features[:, :, None].expand_as(taps), atol=1e-6)


def test_tied_units_share_one_convolution_but_not_their_transforms() -> None:
    first, second = AdaptiveConvolution(4), AdaptiveConvolution(4)
    units = [TransformUnit(first, second, 4, dilation) for dilation in (1, 2)]
    assert units[0].first.weight.weight is units[1].first.weight.weight
    assert units[0].transform1.weight is not units[1].transform1.weight
    assert units[0].norm1.weight is not units[1].norm1.weight


def test_both_transforms_are_made_from_the_units_input() -> None:
    unit = TransformUnit(AdaptiveConvolution(4), AdaptiveConvolution(4), 4, 1)
    seen = []
    unit.transform2.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    features = torch.randn(1, 4, 6, 6)
    unit(features)
    assert seen[0] is features
