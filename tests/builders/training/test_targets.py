import numpy as np
import pytest

from builders.training.labels import Person
from builders.training.targets import TargetSettings, centre_of, make_targets

SETTINGS = TargetSettings()


def person(
    points: list[tuple[float, float]], *, absent_is_background: bool = True, ignored: bool = False
) -> Person:
    keypoints = np.zeros((17, 3), np.float32)
    keypoints[: len(points), :2] = points
    keypoints[: len(points), 2] = 1
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    box = np.array([*low, *(high - low)], np.float32)
    return Person(keypoints, box, absent_is_background, ignored)


def everywhere(value: float = 1.0) -> np.ndarray:
    return np.full((32, 32), value, np.float32)


def test_heat_is_a_gaussian_about_the_joint_in_cells() -> None:
    targets = make_targets([person([(41.5, 61.5), (80, 40), (60, 80)])], everywhere(), SETTINGS)
    at = np.array([(41.5 + 0.5) / 4 - 0.5, (61.5 + 0.5) / 4 - 0.5])  # (10, 15)
    for x, y in ((10, 15), (11, 15), (9, 17)):
        expected = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 1.5**2))
        assert targets.heat[0, y, x] == pytest.approx(expected, abs=1e-6)
    assert targets.heat[0, 30, 30] == 0


def test_overlapping_people_take_the_maximum() -> None:
    a = person([(40, 40), (44, 60), (52, 70)])
    b = person([(44, 40), (48, 60), (56, 70)])
    both = make_targets([a, b], everywhere(), SETTINGS).heat
    alone = [make_targets([p], everywhere(), SETTINGS).heat for p in (a, b)]
    assert np.array_equal(both, np.maximum(*alone))


def test_centre_is_the_mean_of_known_joints_and_needs_three() -> None:
    cells = np.zeros((17, 3), np.float32)
    cells[:2] = [[2, 4, 1], [6, 8, 1]]
    assert centre_of(cells) is None
    cells[2] = [1, 3, 1]
    assert centre_of(cells) == pytest.approx((3, 5))


def test_offsets_are_cell_minus_joint_about_the_centre() -> None:
    points = [(20.0, 20.0), (60.0, 20.0), (40.0, 80.0)]
    targets = make_targets([person(points)], everywhere(), SETTINGS)
    cells = (np.array(points) + 0.5) / 4 - 0.5
    cx, cy = np.rint(cells.mean(0)).astype(int)
    for k, (x, y) in enumerate(cells):
        assert targets.offset[2 * k, cy, cx] == pytest.approx(cx - x)
        assert targets.offset[2 * k + 1, cy, cx] == pytest.approx(cy - y)
    area = (40.0) * (60.0)
    assert targets.offset_weight[0, cy, cx] == pytest.approx(1 / np.sqrt(area))
    assert targets.offset_weight[6, cy, cx] == 0  # the fourth joint is not labelled
    assert targets.offset_weight[0, cy, cx + 3] == 0  # the window is half open


def test_the_smaller_person_owns_cells_that_two_claim() -> None:
    big = person([(20, 20), (100, 20), (60, 110)])
    small = person([(50, 40), (70, 40), (60, 70)])
    for order in ([big, small], [small, big]):
        targets = make_targets(order, everywhere(), SETTINGS)
        cx, cy = 15, 12
        assert targets.offset[0, cy, cx] == pytest.approx(cx - ((50 + 0.5) / 4 - 0.5))


def test_nothing_is_learnt_inside_ignored_people_nor_where_nothing_is_known() -> None:
    crowd = person([(20, 20), (40, 60), (30, 30)], ignored=True)
    targets = make_targets([crowd], everywhere(), SETTINGS)
    assert (targets.heat_weight[:, 6:14, 6:9] == 0).all()
    assert targets.heat_weight[0, 28, 28] == pytest.approx(0.1)
    assert (make_targets([], everywhere(0.0), SETTINGS).heat_weight == 0).all()


def test_an_unknown_joint_is_not_taught_as_absent() -> None:
    unsure = person([(20, 20), (60, 60), (40, 90)], absent_is_background=False)
    targets = make_targets([unsure], everywhere(), SETTINGS)
    assert targets.heat_weight[10, 10, 10] == 0
    sure = person([(20, 20), (60, 60), (40, 90)], absent_is_background=True)
    targets = make_targets([sure], everywhere(), SETTINGS)
    assert targets.heat_weight[10, 10, 10] == pytest.approx(0.1)
