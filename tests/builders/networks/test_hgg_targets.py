import math

import numpy as np
import pytest
import torch

from builders.networks.hgg import HggMaps
from builders.networks.hgg_loss import (
    DEKR_OFFSET_WEIGHT,
    HGG_OFFSET_WEIGHT,
    HggBatch,
    hgg_loss,
    masked_heat_loss,
    offset_loss,
)
from builders.networks.hgg_targets import (
    HggTargetSettings,
    MaskRule,
    dekr_areas,
    heat_targets,
    offset_targets,
    with_centre,
)

KNOWN = np.ones((48, 64), np.float32)


def crowd(seed: int, people: int, joints: int = 18) -> np.ndarray:
    random = np.random.default_rng(seed)
    out = random.uniform(-4, 1, (people, joints, 3)) * 0
    out[..., 0] = random.uniform(-4, 68, (people, joints))
    out[..., 1] = random.uniform(-4, 52, (people, joints))
    out[..., 2] = random.integers(0, 3, (people, joints))
    return np.asarray(out, np.float32)


@pytest.mark.parametrize("rule", list(MaskRule))
def test_heat_and_mask_equal_a_loop_over_cells(rule: MaskRule) -> None:
    joints = crowd(0, 2)
    known = KNOWN.copy()
    known[:10] = 0
    got = heat_targets(joints, (64, 48), known, HggTargetSettings(mask=rule))
    heat, inside = np.zeros((18, 48, 64)), np.zeros((18, 48, 64), bool)
    for person in joints:
        for index in range(18):
            x, y, label = (float(value) for value in person[index])
            if label == 0 or not (0 <= x < 64 and 0 <= y < 48):
                continue
            sigma = 2.0 if index < 17 else 4.0
            for row in range(math.floor(y - 3 * sigma - 1), math.ceil(y + 3 * sigma + 2)):
                for column in range(math.floor(x - 3 * sigma - 1), math.ceil(x + 3 * sigma + 2)):
                    if 0 <= row < 48 and 0 <= column < 64:
                        value = math.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))
                        heat[index, row, column] = max(heat[index, row, column], value)
                        inside[index, row, column] = True
    np.testing.assert_allclose(got.heat, heat, atol=1e-6)
    if rule is MaskRule.SHARED:
        inside[:] = inside.any(0)
    np.testing.assert_allclose(
        got.weight, (np.where(inside, 1, 0.1) * known)[: len(got.weight)], atol=1e-7
    )


def test_crowdposes_centre_gets_the_narrow_gaussian_as_released() -> None:
    joints = np.zeros((1, 15, 3), np.float32)
    joints[0, 14] = (30, 20, 1)
    heat = heat_targets(joints, (64, 48), KNOWN, HggTargetSettings()).heat
    assert heat[14, 20, 32] == pytest.approx(math.exp(-4 / 8))


def test_centres_are_means_of_labelled_joints_of_segments_large_enough() -> None:
    joints = crowd(1, 4, 17)
    joints[2, :, 2] = 0
    got = with_centre(joints, [1024.0, 1023.0, 5000.0, 5000.0])
    assert got.shape == (4, 18, 3)
    assert got[:, 17, 2].tolist() == [1, 0, 0, 1]
    np.testing.assert_allclose(got[0, 17, :2], joints[0, joints[0, :, 2] > 0, :2].mean(0))


def test_offsets_equal_a_loop_in_which_the_smaller_person_wins() -> None:
    random = np.random.default_rng(3)
    joints = crowd(2, 5)
    joints[:, 17, :2] = random.uniform(20, 26, (5, 2))  # windows overlap
    joints[:, 17, 2] = (1, 1, 1, 0, 1)
    areas = np.array([900.0, 300.0, 2500.0, 10.0, 400.0], np.float32)
    offset, weight = offset_targets(joints, areas, (64, 48), 4)
    for joint, row, column in np.ndindex(17, 48, 64):
        best = None
        for p in range(5):
            cx, cy = int(joints[p, 17, 0]), int(joints[p, 17, 1])
            x, y, label = joints[p, joint]
            window = cx - 4 <= column < cx + 4 and cy - 4 <= row < cy + 4
            on_map = 0 <= x < 64 and 0 <= y < 48
            smaller = best is None or areas[p] < areas[best]
            if joints[p, 17, 2] > 0 and label > 0 and window and on_map and smaller:
                best = p
        if best is None:
            assert weight[2 * joint, row, column] == 0
        else:
            x, y = joints[best, joint, :2]
            assert offset[2 * joint, row, column] == pytest.approx(column - x, abs=1e-5)
            assert offset[2 * joint + 1, row, column] == pytest.approx(row - y, abs=1e-5)
            assert weight[2 * joint, row, column] == pytest.approx(1 / math.sqrt(areas[best]))


def test_windows_are_cut_at_the_border_and_absent_centres_draw_nothing() -> None:
    joints = np.ones((1, 18, 3), np.float32)
    joints[0, 17] = (1.5, 47.0, 1)
    _, weight = offset_targets(joints, np.array([4.0], np.float32), (64, 48), 4)
    rows, columns = np.nonzero(weight[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (43, 47, 0, 4)
    joints[0, 17, 0] = 64.5
    assert not offset_targets(joints, np.array([4.0], np.float32), (64, 48), 4)[1].any()


def test_dekrs_area_spans_from_the_origin() -> None:
    joints = np.zeros((1, 17, 3), np.float32)
    joints[0, 3], joints[0, 8] = (100, 40, 1), (60, 90, 2)
    joints[0, 9] = (500, 500, 0)
    assert dekr_areas(joints).tolist() == [100**2 + 90**2]


def test_heat_loss_applies_the_mask_once_to_the_squared_error() -> None:
    random = np.random.default_rng(0)
    predicted, target = random.normal(size=(2, 2, 18, 3, 4))
    mask = random.uniform(0, 1, (2, 1, 3, 4))
    expected = ((predicted - target) ** 2 * mask).mean((1, 2, 3)).mean()
    got = masked_heat_loss(*(torch.from_numpy(value) for value in (predicted, target, mask)))
    assert got.item() == pytest.approx(expected)


def test_offset_loss_equals_smooth_l1_with_a_ninth_over_positive_entries() -> None:
    random = np.random.default_rng(0)
    predicted, target = random.normal(scale=0.2, size=(2, 2, 34, 3, 4))
    weight = random.uniform(0, 1, (2, 34, 3, 4)) * random.integers(0, 2, (2, 34, 3, 4))
    error = np.abs(predicted - target)
    smooth = np.where(error < 1 / 9, 0.5 * error**2 * 9, error - 0.5 / 9)
    got = offset_loss(*(torch.from_numpy(value) for value in (predicted, target, weight)))
    assert got.item() == pytest.approx((smooth * weight).sum() / (weight > 0).sum())
    none = torch.zeros(1, 34, 2, 2)
    assert offset_loss(none + 1, none, none).item() == 0


def test_total_averages_coarse_maps_and_adds_the_fine_one() -> None:
    assert (HGG_OFFSET_WEIGHT, DEKR_OFFSET_WEIGHT) == (0.01, 0.03)
    heat = tuple(torch.randn(2, 18, 3, 4) for _ in range(3))
    maps = HggMaps(heat, torch.randn(2, 34, 3, 4), torch.randn(2, 17, 6, 8))
    batch = HggBatch(
        torch.randn(2, 18, 3, 4),
        torch.rand(2, 1, 3, 4),
        torch.randn(2, 34, 3, 4),
        torch.rand(2, 34, 3, 4),
        torch.randn(2, 17, 6, 8),
        torch.rand(2, 1, 6, 8),
    )
    got = hgg_loss(maps, batch, 0.01)
    stacked = torch.cat(heat, 1), batch.heat.repeat(1, 3, 1, 1), batch.heat_weight
    torch.testing.assert_close(got["heat"], masked_heat_loss(*stacked))
    assert maps.fine_heat is not None
    assert batch.fine_heat is not None
    assert batch.fine_weight is not None
    fine = masked_heat_loss(maps.fine_heat, batch.fine_heat, batch.fine_weight)
    torch.testing.assert_close(got["fine_heat"], fine)
    offset = offset_loss(maps.offset, batch.offset, batch.offset_weight)
    torch.testing.assert_close(got["offset"], 0.01 * offset)
