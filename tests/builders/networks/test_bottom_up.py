from dataclasses import replace

import pytest
import torch

from builders.networks.bottom_up import BottomUpMaps, CompactBottomUp, HeadSettings, heads_of
from builders.networks.bottom_up_decode import (
    NEAR_PX,
    BottomUpGraph,
    DecodeSettings,
    PosesFromMaps,
    best_peaks,
    filled_up,
    is_near,
    offsets_at,
    shrunk,
)


def test_maps_have_17_joints_one_centre_34_offsets_at_stride_4() -> None:
    maps = CompactBottomUp(HeadSettings(8, 8)).eval()(torch.zeros(1, 3, 64, 96))
    assert maps.heat.shape == (1, 17, 16, 24)
    assert maps.centre.shape == (1, 1, 16, 24)
    assert maps.offset.shape == (1, 34, 16, 24)


def test_gradient_flows_into_every_parameter() -> None:
    torch.manual_seed(0)
    network = CompactBottomUp(HeadSettings(8, 8))
    maps = network(torch.randn(2, 3, 64, 64))
    (
        maps.heat.square().mean() + maps.centre.square().mean() + maps.offset.square().mean()
    ).backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_parameters_of_the_shipped_size() -> None:
    network = CompactBottomUp(HeadSettings(32, 64))
    heads = sum(p.numel() for n, p in network.named_parameters() if not n.startswith("trunk"))
    # First maps: depthwise 24*9, pointwise 24*96+96, outputs 96*n+n for n = 17, 1, 34.
    first = 3 * (24 * 9 + 24 * 96 + 96) + 52 * 97
    # Features: (24 + 52) * 4 + 24 + 32 = 360. Tied convolutions count once.
    guide = 360 * 32 + 64 + 2 * 9 * 32 * 32 + 3 * (2 * (32 * 9 * 4 + 4) + 4 * 32) + 32 * 68 + 68
    unit = 2 * 9 * 64 * 64 + 2 * (64 * 9 * 4 + 4) + 4 * 64
    assert heads == first + guide + 428 * 64 + 128 + unit + 64 * 140 + 140


def test_a_new_network_gives_the_first_estimate_with_offsets_as_x_y() -> None:
    torch.manual_seed(0)
    network = CompactBottomUp(HeadSettings(8, 8)).eval()
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        heat, centre, regress = network.first(network.trunk(pixels)[0])
        maps = network(pixels)
    assert (maps.heat - heat).abs().max() < 0.05
    assert (maps.centre - centre).abs().max() < 0.05
    # Offsets are cell minus joint, (x, y); the start weights give joint minus cell, (y, x).
    assert (maps.offset[:, 0] + regress[:, 1]).abs().max() < 0.5
    assert (maps.offset[:, 1] + regress[:, 0]).abs().max() < 0.5


def test_lighter_keeps_what_the_first_unit_says_and_the_first_offsets() -> None:
    torch.manual_seed(0)
    network = CompactBottomUp(HeadSettings(8, 8)).eval()
    light = network.lighter()
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        network.guide_units = network.guide_units[:1]  # the mean of one is that one
        whole, less = network(pixels), light(pixels)
    torch.testing.assert_close(less.heat, whole.heat)
    torch.testing.assert_close(less.centre, whole.first[:, 17:])
    assert not light.training
    assert heads_of(light.state_dict()) == HeadSettings(8, None, 1)
    assert heads_of(CompactBottomUp(HeadSettings(8, 16)).state_dict()) == HeadSettings(8, 16)


def test_offsets_at_cells_are_those_of_the_whole_map() -> None:
    torch.manual_seed(0)
    network = CompactBottomUp(HeadSettings(guide_units=0, regression_channels=None)).eval()
    cells = torch.tensor([[0, 23, 24, 200, 383], [360, 191, 1, 100, 47]])  # corners and borders too
    with torch.no_grad():
        maps = network(torch.randn(2, 3, 64, 96))
        whole = offsets_at(replace(maps, offset_at=None), cells)
        torch.testing.assert_close(offsets_at(maps, cells), whole, atol=1e-5, rtol=1e-5)


def test_shrinking_averages_blocks() -> None:
    pixels = torch.randn(2, 3, 12, 18)
    for factor in (2, 3):
        averaged = torch.nn.functional.avg_pool2d(pixels, factor)
        torch.testing.assert_close(shrunk(pixels, factor), averaged)


def test_without_units_there_is_the_first_estimate_alone() -> None:
    torch.manual_seed(0)
    network = CompactBottomUp(HeadSettings(8, 8)).eval()
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        bare, whole = network.without_units()(pixels), network(pixels)
    assert whole.first is not None
    torch.testing.assert_close(torch.cat((bare.heat, bare.centre), 1), whole.first)
    torch.testing.assert_close(bare.offset, network.lighter()(pixels).offset)
    assert heads_of(network.without_units().state_dict()) == HeadSettings(32, None, 0)
    with pytest.raises(ValueError, match="there are none"):
        HeadSettings(8, 8, 0)


def test_the_smallest_canvas_is_for_near_people_only() -> None:
    poses = torch.zeros(1, 2, 17, 3)
    poses[0, 0, 3, 0], poses[0, 1, 3, 1] = NEAR_PX - 1, NEAR_PX
    assert is_near(poses).tolist() == [[0, 1]]


def test_a_shrunk_canvas_is_filled_up_with_grey_on_the_right_and_below() -> None:
    filled = filled_up(torch.ones(1, 3, 48, 64))
    assert filled.shape == (1, 3, 64, 64)
    assert filled[..., :48, :].eq(1).all()
    assert filled[..., 48:, :].eq(0).all()


def planted_maps(joints: torch.Tensor, centre: tuple[int, int]) -> BottomUpMaps:
    """One person: joints (17, 2) in cells, offsets known at its centre cell only."""
    rows = torch.arange(24).view(24, 1)
    columns = torch.arange(32).view(1, 32)
    distance = (columns - joints[:, 0].view(-1, 1, 1)) ** 2 + (
        rows - joints[:, 1].view(-1, 1, 1)
    ) ** 2
    heat = torch.exp(-distance / (2 * 1.5**2))[None]
    x, y = centre
    centre_map = torch.zeros(1, 1, 24, 32)
    centre_map[0, 0, y, x] = 0.81
    offset = torch.zeros(1, 34, 24, 32)
    offset[0, :, y, x] = (torch.tensor([x, y]) - joints).flatten()
    return BottomUpMaps(heat, centre_map, offset)


def test_a_planted_person_is_decoded_to_canvas_pixels() -> None:
    torch.manual_seed(3)
    joints = torch.rand(17, 2) * torch.tensor([20.0, 14.0]) + 5
    keypoints, scores = PosesFromMaps(DecodeSettings())(planted_maps(joints, (15, 12)))
    expected = (joints + 0.5) * 4 - 0.5
    # A parabola through a Gaussian's samples is biased by less than a tenth of a cell.
    assert (keypoints[0, 0, :, :2] - expected).abs().max() < 0.1 * 4
    heat = keypoints[0, 0, :, 2]
    assert heat.min() > 0.75
    surest = sorted(heat.tolist())[-12:]
    assert scores[0, 0].item() == pytest.approx(0.81**0.25 * (sum(surest) / 12) ** 0.75, abs=1e-5)


def test_a_joint_without_a_peak_nearby_stays_where_the_offset_says() -> None:
    torch.manual_seed(3)
    joints = torch.rand(17, 2) * torch.tensor([20.0, 14.0]) + 5
    maps = planted_maps(joints, (15, 12))
    heat = maps.heat.clone()
    heat[0, 4] = 0
    keypoints, _ = PosesFromMaps(DecodeSettings())(BottomUpMaps(heat, maps.centre, maps.offset))
    expected = (joints[4] + 0.5) * 4 - 0.5
    assert torch.allclose(keypoints[0, 0, 4, :2], expected, atol=1e-3)
    assert keypoints[0, 0, 4, 2] == 0


def test_a_peak_far_beyond_the_radius_does_not_attract() -> None:
    joints = torch.full((17, 2), 12.0)
    joints[:8, 0] = 20.0  # 8 cells wide: sigma is the least, two cells
    maps = planted_maps(joints, (16, 12))
    offset = maps.offset.clone()
    offset[0, 0, 12, 16] += 6  # three sigmas: exp(-4.5) of the heat is below the least attraction
    keypoints, _ = PosesFromMaps(DecodeSettings())(BottomUpMaps(maps.heat, maps.centre, offset))
    assert torch.allclose(keypoints[0, 0, 0, 0], torch.tensor((14.0 + 0.5) * 4 - 0.5), atol=1e-3)


def test_a_strong_peak_wins_over_a_weak_one_that_is_nearer() -> None:
    torch.manual_seed(3)
    joints = torch.rand(17, 2) * torch.tensor([20.0, 14.0]) + 5
    joints[0] = torch.tensor([10.0, 6.0])
    maps = planted_maps(joints, (15, 12))
    offset = maps.offset.clone()
    offset[0, 0, 12, 15] -= 1.5  # regressed right of the true peak, near a weak one
    heat = maps.heat.clone()
    heat[0, 0] = 0
    heat[0, 0, 6, 10], heat[0, 0, 6, 12] = 0.9, 0.1
    keypoints, _ = PosesFromMaps(DecodeSettings())(BottomUpMaps(heat, maps.centre, offset))
    assert abs(keypoints[0, 0, 0, 0].item() - (10.5 * 4 - 0.5)) < 2.0
    assert keypoints[0, 0, 0, 2].item() > 0.85


def test_peaks_are_local_maxima_best_first() -> None:
    maps = torch.zeros(1, 1, 8, 8)
    maps[0, 0, 2, 3], maps[0, 0, 2, 4], maps[0, 0, 6, 6] = 0.9, 0.8, 0.5
    values, cells = best_peaks(maps, 3)
    assert values[0, 0, :2].tolist() == [torch.tensor(0.9).item(), 0.5]
    assert cells[0, 0, :2].tolist() == [2 * 8 + 3, 6 * 8 + 6]


def test_graph_takes_pixels_and_gives_finite_candidates_of_each_size() -> None:
    torch.manual_seed(0)
    graph = BottomUpGraph(CompactBottomUp(HeadSettings(8, 8)), DecodeSettings()).eval()
    canvas = torch.randint(0, 256, (2, 64, 128, 3), dtype=torch.uint8)
    with torch.no_grad():
        keypoints, scores = graph(canvas)
    assert keypoints.shape == (2, 75, 17, 3)
    assert scores.shape == (2, 75)
    assert torch.isfinite(keypoints).all()
    assert ((scores >= 0) & (scores <= 1)).all()


class SeesSmallCanvasOnly(CompactBottomUp):
    """Finds the planted person on a canvas of the planted size, else nobody."""

    def forward(self, pixels: torch.Tensor) -> BottomUpMaps:
        joints = torch.tensor([[6.0 + i % 4, 5.0 + i // 4] for i in range(17)])
        maps = planted_maps(joints, (7, 7))
        if pixels.shape[-1] == 4 * maps.heat.shape[-1]:
            return maps
        H, W = pixels.shape[2] // 4, pixels.shape[3] // 4
        heat, centre, offset = (torch.zeros(1, channels, H, W) for channels in (17, 1, 34))
        return BottomUpMaps(heat, centre, offset)


def test_people_of_the_shrunk_canvas_come_in_pixels_of_the_canvas() -> None:
    maps = planted_maps(torch.tensor([[6.0 + i % 4, 5.0 + i // 4] for i in range(17)]), (7, 7))
    alone, score = PosesFromMaps(DecodeSettings())(maps)
    H, W = maps.heat.shape[2:]
    graph = BottomUpGraph(
        SeesSmallCanvasOnly(HeadSettings(8, 8)), DecodeSettings(shrink=(1, 2))
    ).eval()
    keypoints, scores = graph(torch.zeros((1, 8 * H, 8 * W, 3), dtype=torch.uint8))
    best = int(scores[0].argmax())
    assert scores[0, best] == score[0, 0]
    # Pixel centres at integers: small pixel i covers pixels 2 i and 2 i + 1.
    assert torch.allclose(keypoints[0, best, :, :2], alone[0, 0, :, :2] * 2 + 0.5)
    assert torch.equal(keypoints[0, best, :, 2], alone[0, 0, :, 2])
