import numpy as np
import pytest
import torch
from torch.nn import functional

from builders.networks.deformable import (
    DeformableConvolution,
    affine_offset,
    regular_matrix,
    sample_taps,
)
from tests.builders.networks.deformable_by_hand import (
    affine_offset_by_hand,
    corner_sample,
    deformable,
)


@pytest.mark.parametrize(("dilation", "groups"), [(1, 1), (2, 1), (3, 2), (1, 4)])
def test_equals_four_corner_gathering_in_numpy(dilation: int, groups: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 4, 5, 7))
    offset = random.normal(scale=3, size=(2, 18 * groups, 5, 7))  # many taps leave the map
    convolution = DeformableConvolution(4, 3, dilation, groups).double()
    weight = convolution.weight.detach().numpy()
    got = convolution(torch.from_numpy(x), torch.from_numpy(offset)).detach().numpy()
    np.testing.assert_allclose(got, deformable(x, offset, weight, dilation, groups), atol=1e-12)


@pytest.mark.parametrize("dilation", [1, 2])
def test_without_offset_it_is_a_plain_convolution(dilation: int) -> None:
    convolution = DeformableConvolution(3, 5, dilation).double()
    x = torch.randn(1, 3, 6, 6, dtype=torch.float64)
    plain = functional.conv2d(x, convolution.weight, padding=dilation, dilation=dilation)
    torch.testing.assert_close(convolution(x, torch.zeros(1, 18, 6, 6).double()), plain)


def test_a_point_half_outside_keeps_the_share_of_its_inner_corners() -> None:
    maps = torch.full((1, 1, 3, 3), 8.0, dtype=torch.float64)
    offset = torch.zeros(1, 18, 3, 3, dtype=torch.float64)
    offset[:, 8] = -0.25  # y of the middle tap
    taps = sample_taps(maps, offset)
    assert taps[0, 4, 0, 0].item() == pytest.approx(6.0)  # a quarter lies above the map
    assert taps[0, 4, 1, 0].item() == pytest.approx(8.0)
    assert corner_sample(maps[0].numpy(), -0.25, 0.0)[0] == pytest.approx(6.0)


def test_maps_of_one_row_and_one_column_are_sampled_too() -> None:
    maps = torch.tensor([[[[2.0]]]])
    offset = torch.zeros(1, 18, 1, 1)
    assert sample_taps(maps, offset)[0, :, 0, 0].tolist() == [0, 0, 0, 0, 2, 0, 0, 0, 0]


def test_half_precision_maps_are_sampled_at_exact_positions() -> None:
    maps = torch.arange(300.0).view(1, 1, 1, 300)
    offset = torch.zeros(1, 18, 1, 300)
    exact = sample_taps(maps, offset)
    half = sample_taps(maps.bfloat16(), offset.bfloat16())
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, exact.bfloat16())


def test_affine_offsets_are_tr_minus_r_interleaved() -> None:
    transform = torch.randn(2, 4, 3, 2, dtype=torch.float64)
    got = affine_offset(transform, regular_matrix())
    torch.testing.assert_close(got, affine_offset_by_hand(transform))


def test_regular_matrix_is_two_rows_y_and_x() -> None:
    assert regular_matrix().shape == (2, 9)
    assert regular_matrix()[0].tolist() == [-1, -1, -1, 0, 0, 0, 1, 1, 1]
    assert regular_matrix()[1].tolist() == [-1, 0, 1, -1, 0, 1, -1, 0, 1]


def test_gradient_reaches_features_offsets_and_weights() -> None:
    convolution = DeformableConvolution(2, 2).double()
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    offset = (torch.randn(1, 18, 4, 4, dtype=torch.float64) * 0.3).requires_grad_()
    assert torch.autograd.gradcheck(convolution, (x, offset))
