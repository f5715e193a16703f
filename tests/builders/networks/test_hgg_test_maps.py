import numpy as np
import pytest
import torch
from torch import Tensor, nn

from builders.networks.hgg import Hgg, HggMaps, HigherHgg
from builders.networks.hgg_test_maps import (
    MirrorEdge,
    ScaleMaps,
    absolute,
    combined_heat,
    flip_maps,
    fused_heat,
    hgg_affine,
    mirrored_picture,
    plain_maps,
    unmirrored_heat,
    unmirrored_pose,
    upsampled,
)

SWAP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def test_portrait_and_landscape_sizes_with_the_slack_on_both_sides() -> None:
    landscape = hgg_affine((640, 480), 512)
    assert (landscape.crop_width, landscape.crop_height) == (
        704,
        512,
    )  # 682.7 up to a multiple of 64
    middle = landscape.to_crop(np.array([[320.0, 240.0]], np.float32))[0]
    assert middle.tolist() == pytest.approx([352.0, 256.0])
    scale = 512 / 480
    left, right = landscape.to_crop(np.array([[0.0, 0.0], [640.0, 480.0]], np.float32))
    assert left.tolist() == pytest.approx([352 - 320 * scale, 0.0], abs=1e-3)
    assert right.tolist() == pytest.approx([352 + 320 * scale, 512.0], abs=1e-3)
    portrait = hgg_affine((481, 640), 512, 0.5)
    assert (portrait.crop_width, portrait.crop_height) == (256, 352)
    assert portrait.centre_px == (241, 320)  # int(w / 2 + 0.5)
    assert portrait.width_px == 481


def test_absolute_poses_are_cell_minus_offset() -> None:
    offset = torch.randn(1, 34, 3, 4, dtype=torch.float64)
    got = absolute(offset)
    for joint, row, column in np.ndindex(17, 3, 4):
        assert got[0, 2 * joint, row, column] == column - offset[0, 2 * joint, row, column]
        assert got[0, 2 * joint + 1, row, column] == row - offset[0, 2 * joint + 1, row, column]


def test_mirror_picture_moves_left_with_zeros_or_with_its_last_columns() -> None:
    pixels = torch.arange(1.0, 9.0).view(1, 1, 1, 8)
    zeros = mirrored_picture(pixels, 3, MirrorEdge.ZEROS)
    assert zeros.flatten().tolist() == [5, 4, 3, 2, 1, 0, 0, 0]
    kept = mirrored_picture(pixels, 3, MirrorEdge.UNMOVED)
    assert kept.flatten().tolist() == [5, 4, 3, 2, 1, 3, 2, 1]


def test_with_the_shift_stride_4_cells_of_both_pictures_coincide() -> None:
    pixels = torch.arange(16.0).view(1, 1, 1, 16)
    mirror = mirrored_picture(pixels, 3, MirrorEdge.ZEROS)
    assert mirror[..., ::4].flip(3).tolist() == pixels[..., ::4].tolist()
    fine = mirrored_picture(pixels, 1, MirrorEdge.ZEROS)
    assert fine[..., ::2].flip(3).tolist() == pixels[..., ::2].tolist()


def test_mirror_maps_are_turned_back_with_the_centre_in_its_place() -> None:
    heat = torch.randn(1, 18, 2, 3)
    back = unmirrored_heat(heat)
    for joint in range(17):
        assert torch.equal(back[0, joint], heat[0, SWAP[joint]].flip(1))
    assert torch.equal(back[0, 17], heat[0, 17].flip(1))
    assert unmirrored_heat(heat[:, :17]).shape == (1, 17, 2, 3)


def test_mirror_poses_are_turned_back_in_place_and_coordinate() -> None:
    pose = torch.randn(1, 34, 2, 5)
    back = unmirrored_pose(pose)
    for joint, row, column in np.ndindex(17, 2, 5):
        x, y = pose[0, 2 * SWAP[joint] : 2 * SWAP[joint] + 2, row, 4 - column].tolist()
        assert back[0, 2 * joint, row, column].item() == pytest.approx(4 - x)
        assert back[0, 2 * joint + 1, row, column].item() == pytest.approx(y)


def test_upsampled_keeps_cell_i_at_s_times_i_and_repeats_the_last() -> None:
    maps = torch.tensor([[[[0.0, 4.0, 8.0]]]], dtype=torch.float64).repeat(1, 1, 2, 1)
    got = upsampled(maps, 4)
    assert got.shape == (1, 1, 8, 12)
    expected = [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8]
    np.testing.assert_allclose(got[0, 0, 0].numpy(), expected, atol=1e-12)


def test_fine_form_takes_the_highest_coarse_map_and_averages_joints_only() -> None:
    heat = tuple(torch.randn(1, 18, 3, 4, dtype=torch.float64) for _ in range(3))
    fine = torch.randn(1, 17, 6, 8, dtype=torch.float64)
    coarse = torch.maximum(torch.maximum(heat[0], heat[1]), heat[2])
    got = combined_heat(HggMaps(heat, torch.zeros(0)), fine)
    doubled = upsampled(coarse, 2)
    torch.testing.assert_close(got[:, :17], (doubled[:, :17] + fine) / 2)
    torch.testing.assert_close(got[:, 17:], doubled[:, 17:])


class _Echo(nn.Module):
    """Maps read off every fourth and second pixel; every pose points at cell (1, 1)."""

    def __init__(self, *, fine: bool) -> None:
        super().__init__()
        self.fine = fine

    def forward(self, pixels: Tensor) -> HggMaps:
        heat = pixels[:, :1, ::4, ::4].repeat(1, 18, 1, 1)
        H, W = heat.shape[2:]
        grid = torch.stack(torch.meshgrid(torch.arange(W), torch.arange(H), indexing="xy"))
        offset = grid.repeat(17, 1, 1)[None].to(pixels.dtype) - 1
        fine = pixels[:, :1, ::2, ::2].repeat(1, 17, 1, 1) if self.fine else None
        return HggMaps((heat, heat, heat), offset, fine)


@pytest.mark.parametrize("fine", [False, True])
def test_flip_test_of_a_network_that_only_looks_changes_nothing_but_the_poses(fine: bool) -> None:
    pixels = torch.randn(1, 3, 16, 32, dtype=torch.float64)
    plain, flipped = (method(_Echo(fine=fine), pixels) for method in (plain_maps, flip_maps))
    torch.testing.assert_close(flipped.heat, plain.heat)
    ratio = 2 if fine else 1
    assert set(plain.pose.flatten().tolist()) == {ratio}
    both = flipped.pose.reshape(17, 2, -1)
    assert set(both[:, 1].flatten().tolist()) == {ratio}
    assert set(both[:, 0].flatten().tolist()) == {(1 + 8 - 1 - 1) / 2 * ratio}


@pytest.mark.parametrize("form", [Hgg, HigherHgg])
def test_flip_test_runs_on_the_real_networks(form: type[Hgg]) -> None:
    network = form(2).eval()
    with torch.no_grad():
        maps = flip_maps(network, torch.randn(1, 3, 64, 96))
    stride = 2 if form is HigherHgg else 4
    assert maps.heat.shape == (1, 18, 64 // stride, 96 // stride)
    assert maps.pose.shape == (1, 34, 64 // stride, 96 // stride)


def test_fused_heat_is_the_mean_of_all_sizes_at_full_resolution() -> None:
    one, half = torch.randn(1, 18, 4, 6).double(), torch.randn(1, 18, 2, 3).double()
    empty = torch.zeros(0)
    got = fused_heat([ScaleMaps(one, empty), ScaleMaps(half, empty)], (24, 16))
    torch.testing.assert_close(got, (upsampled(one, 4) + upsampled(half, 8)) / 2)
