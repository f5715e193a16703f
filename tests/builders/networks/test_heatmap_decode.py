import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from builders.networks.heatmap_decode import (
    flip_average,
    mirrored,
    peaks,
    person_scores,
    smooth_peaks,
    to_crop,
)
from stream.geometry import crop_affine


def peak_by_hand(heat: NDArray[np.float64]) -> tuple[float, float, float]:
    """One map, written from the description."""
    H, W = heat.shape
    best = heat.max()
    if best <= 0:
        return 0.0, 0.0, float(best)
    row, column = (int(value) for value in np.unravel_index(heat.argmax(), heat.shape))
    x, y = float(column), float(row)
    if 1 < column < W - 1 and 1 < row < H - 1:
        x += 0.25 * np.sign(heat[row, column + 1] - heat[row, column - 1])
        y += 0.25 * np.sign(heat[row + 1, column] - heat[row - 1, column])
    return x, y, float(best)


def test_peaks_equal_a_worked_example_map_by_map() -> None:
    heat = np.random.default_rng(0).normal(size=(40, 3, 6, 5))
    heat[0, 0] = -1
    points, values = peaks(torch.from_numpy(heat))
    for b, k in np.ndindex(40, 3):
        x, y, value = peak_by_hand(heat[b, k])
        assert points[b, k].tolist() == [x, y]
        assert values[b, k].item() == value


@pytest.mark.parametrize(
    ("column", "row", "expected"),
    [
        (1, 3, (1.0, 3.0)),  # column 1 does not move
        (2, 3, (2.25, 2.75)),
        (5, 3, (5.25, 2.75)),  # column W - 2 does
        (6, 3, (6.0, 3.0)),
        (3, 1, (3.0, 1.0)),
        (3, 5, (3.25, 4.75)),
        (3, 6, (3.0, 6.0)),
    ],
)
def test_border_rule(column: int, row: int, expected: tuple[float, float]) -> None:
    heat = torch.zeros(1, 1, 7, 7)
    heat[0, 0, row, column] = 1
    if column < 6:
        heat[0, 0, row, column + 1] = 0.5
    heat[0, 0, row - 1, column] = 0.5
    assert tuple(peaks(heat)[0][0, 0].tolist()) == expected


def test_equal_neighbours_do_not_move_and_a_flat_map_gives_the_origin() -> None:
    heat = torch.zeros(1, 2, 7, 7)
    heat[0, 0, 3, 3] = 1
    points, values = peaks(heat)
    assert points[0].tolist() == [[3.0, 3.0], [0.0, 0.0]]
    assert values[0].tolist() == [1.0, 0.0]


def test_mirrored_maps_are_flipped_and_left_and_right_change_places() -> None:
    heat = torch.zeros(1, 17, 2, 4)
    heat[0, 5, 0, 0] = 1  # left shoulder
    heat[0, 0, 1, 1] = 2  # nose
    back = mirrored(heat)
    assert back[0, 6, 0, 3].item() == 1
    assert back[0, 0, 1, 2].item() == 2
    assert back.sum().item() == 3


def test_flip_average_shifts_the_mirror_maps_by_one_column_and_keeps_column_0() -> None:
    random = np.random.default_rng(2)
    heat, other = random.normal(size=(2, 1, 17, 3, 4))
    swap = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    expected = np.zeros_like(heat)
    for joint in range(17):
        back = other[0, swap[joint], :, ::-1]
        shifted = np.stack([back[:, 0], back[:, 0], back[:, 1], back[:, 2]], 1)
        expected[0, joint] = (heat[0, joint] + shifted) / 2
    got = flip_average(torch.from_numpy(heat), torch.from_numpy(other))
    np.testing.assert_allclose(got.numpy(), expected)


def test_a_cell_lies_at_stride_times_its_index_in_the_crop() -> None:
    points = torch.tensor([[[10.25, 20.0]]])
    assert to_crop(points, (48, 64), (192, 256)).tolist() == [[[41.0, 80.0]]]


def test_to_crop_then_source_equals_the_affine_of_the_map_inverted() -> None:
    box = (30.0, 40.0, 60.0, 100.0)
    crop, of_map = crop_affine(box, 192, 256), crop_affine(box, 48, 64)
    cells = np.array([[3.0, 50.25]], np.float32)
    there = to_crop(torch.from_numpy(cells), (48, 64), (192, 256)).numpy()
    np.testing.assert_allclose(crop.to_source(there), of_map.to_source(cells), rtol=1e-5)


def test_person_score_is_the_mean_of_values_above_a_fifth_times_the_box_score() -> None:
    values = torch.tensor([[0.9, 0.2, 0.5], [0.1, 0.1, 0.0]])
    got = person_scores(values, torch.tensor([0.5, 0.8]))
    assert got.tolist() == pytest.approx([0.35, 0.0])


@given(
    st.floats(1.5, 9.5), st.floats(1.5, 7.5), st.floats(0.8, 2.5), st.sampled_from((0.05, 0.4, 1.0))
)
def test_smooth_peaks_find_the_middle_of_a_gaussian_between_cells(
    x: float, y: float, sigma: float, height: float
) -> None:
    heat = height * gaussian(x, y, sigma, (12, 10))
    points, values = smooth_peaks(heat)
    torch.testing.assert_close(points[0, 0], torch.tensor([x, y]), atol=0.07, rtol=0)
    assert values[0, 0] == heat.max()


def test_smooth_peaks_are_nearer_to_the_truth_than_quarters() -> None:
    random = np.random.default_rng(5)
    truth = torch.from_numpy(random.uniform(2, 8, (200, 2))).float()
    clean = torch.cat([gaussian(x, y, 1.2, (11, 11)) for x, y in truth.tolist()])
    heat = (clean + torch.from_numpy(random.normal(0, 0.02, clean.shape)).float()).clamp(min=0)
    away = [(find(heat)[0][:, 0] - truth).norm(dim=1).mean() for find in (smooth_peaks, peaks)]
    assert away[0] < 0.5 * away[1]


@given(st.floats(0, 6), st.floats(0, 6), st.floats(0.5, 2.5))
def test_smooth_peaks_stay_on_the_map_and_near_the_joint_at_its_borders(
    x: float, y: float, sigma: float
) -> None:
    """Means of fewer cells draw what lies within a cell of the border onto it."""
    points, _ = smooth_peaks(gaussian(x, y, sigma, (7, 7)))
    assert (points >= 0).all()
    assert (points <= 6).all()
    assert (points[0, 0] - torch.tensor([x, y])).abs().max() <= 1.5


@given(st.integers(0, 2**31))
def test_smooth_peaks_move_at_most_half_a_cell_from_the_highest_mean(seed: int) -> None:
    heat = torch.rand(1, 4, 7, 6, generator=torch.Generator().manual_seed(seed))
    points, _ = smooth_peaks(heat)
    means = torch.nn.functional.avg_pool2d(heat, 3, 1, 1, count_include_pad=False)
    for joint in range(4):
        row, column = divmod(int(means[0, joint].argmax()), 6)
        assert (points[0, joint] - torch.tensor([column, row])).abs().max() <= 0.5


def test_smooth_peaks_of_a_map_without_heat_are_the_origin() -> None:
    points, values = smooth_peaks(torch.zeros(1, 1, 7, 7))
    assert points.tolist() == [[[0.0, 0.0]]]
    assert values.tolist() == [[0.0]]


def gaussian(x: float, y: float, sigma: float, size: tuple[int, int]) -> torch.Tensor:
    """(1, 1, H, W) of height 1."""
    across, down = torch.arange(size[0]), torch.arange(size[1])[:, None]
    return (-((across - x) ** 2 + (down - y) ** 2) / (2 * sigma**2)).exp()[None, None]
