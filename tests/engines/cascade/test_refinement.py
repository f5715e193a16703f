import numpy as np
import pytest
from numpy.typing import NDArray

from engines.cascade.pose_boxes import LARGEST_MARGIN, joint_boxes, margins_of, person_boxes
from engines.cascade.refinement import RefineBudget, crowded, doubtful_poses
from engines.cascade.settings import CascadeSettings
from stream.errors import ConfigError
from tests.tiny_model import OFFSETS_PX


def poses(*people: tuple[float, float]) -> NDArray[np.float32]:
    """(N, 17, 3) people 120 x 160 px large at (x, confidence)."""
    return np.array(
        [
            np.column_stack([OFFSETS_PX + np.array([x, 200]), np.full(17, sure)])
            for x, sure in people
        ],
        np.float32,
    ).reshape(-1, 17, 3)


def test_the_least_sure_pose_is_refined_first() -> None:
    rows = doubtful_poses(poses((0, 0.5), (1000, 0.9), (2000, 0.3)), 0.6)
    assert rows.tolist() == [2, 0]


def test_by_default_every_pose_is_refined() -> None:
    assert doubtful_poses(poses((0, 1), (1000, 0.2)), CascadeSettings().refine_below).size == 2


@pytest.mark.parametrize(("apart", "expected"), [(20, [True, True]), (118, [False, False])])
def test_who_overlaps_another_is_in_a_crowd(apart: float, expected: list[bool]) -> None:
    assert crowded(joint_boxes(poses((0, 1), (apart, 1)))).tolist() == expected


def test_nobody_needs_nothing() -> None:
    assert doubtful_poses(poses(), 0.5).size == 0
    assert person_boxes(poses(), 640, 480).shape == (0, 4)


def test_without_a_budget_all_is_refined() -> None:
    budget = RefineBudget(None)
    budget.spent(1, 100.0)
    assert [rows.size for rows in budget.share_out([np.arange(9)])] == [9]


def test_a_frame_gets_what_there_is_time_for_in_every_batch() -> None:
    budget = RefineBudget(1.0)
    assert [rows.tolist() for rows in budget.share_out([np.arange(9), np.arange(2)])] == [[0], [0]]
    budget.spent(2, 0.6)
    assert [rows.size for rows in budget.share_out([np.arange(9), np.arange(2)])] == [3, 2]


def test_what_was_too_dear_once_is_tried_again_later() -> None:
    budget = RefineBudget(1.0)
    budget.spent(1, 4.0)
    waits = 0
    while not budget.share_out([np.arange(9)])[0].size:
        waits += 1
    assert 10 < waits < 50


def test_a_box_holds_the_head_and_the_feet_too() -> None:
    (box,) = person_boxes(poses((200, 1)), 640, 480)
    low, high = OFFSETS_PX.min(0) + 200, OFFSETS_PX.max(0) + 200
    side, top, bottom = 0.064 * 160, 0.119 * 160, 0.092 * 160
    expected = [low[0] - side, low[1] - top, high[0] + side, high[1] + bottom]
    np.testing.assert_allclose(box, expected, rtol=1e-5)


def test_a_box_ends_with_the_frame() -> None:
    (box,) = person_boxes(poses((10, 1)), 60, 300)
    assert (box[0], box[2]) == (-0.5, 59.5)


def test_joints_that_are_not_seen_do_not_widen_the_box() -> None:
    person = poses((200, 1))
    person[0, 0, 2] = 0.1
    person[0, 0, :2] = -1000
    assert joint_boxes(person, 0.2)[0, 0] == 140
    assert joint_boxes(person)[0, 0] == -1000


@pytest.mark.parametrize(
    "wrong",
    [{"detect_every": 0}, {"batch_size": 0}, {"refine_below": 1.5}, {"refine_budget_seconds": 0.0}],
)
def test_numbers_without_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        CascadeSettings(**wrong)  # type: ignore[arg-type]


def test_margins_bring_back_the_box_they_are_of() -> None:
    people = poses((200, 1), (400, 1))
    boxes = np.array([[130, 100, 280, 300], [330, 105, 470, 290]], np.float32)
    margins = margins_of(boxes, people)
    np.testing.assert_allclose(person_boxes(people, 640, 480, margins), boxes, atol=1e-3)


def test_a_box_far_from_the_joints_is_not_believed() -> None:
    margins = margins_of(np.array([[-900, 0, 900, 900]], np.float32), poses((200, 1)))
    assert margins.max() == np.float32(LARGEST_MARGIN)
