import numpy as np

from stream.pose import Pose
from stream.tracking.carrying import CarriedPeople
from tests.tiny_model import OFFSETS_PX


def pose_at(x: float, y: float = 200.0) -> Pose:
    points = (OFFSETS_PX + np.array([x, y])).astype(np.float32)
    return Pose(points, np.full(17, 0.9, np.float32), 0.8)


def middles(poses: tuple[Pose, ...]) -> list[float]:
    return [float(pose.keypoints_px[:, 0].mean() - OFFSETS_PX[:, 0].mean()) for pose in poses]


def walked(*places: float, every: float = 0.1) -> CarriedPeople:
    """Somebody who was at these places, one after the other."""
    people = CarriedPeople(0.0)
    for index, x in enumerate(places):
        people = people.seen([pose_at(x)], [0.7], index * every)
    return people


def test_somebody_who_walks_is_ahead_of_where_they_were() -> None:
    people = walked(*range(100, 200, 10))  # 100 px a second
    (ahead,) = middles(people.poses_at(0.9 + 0.2))
    assert abs(ahead - 210) < 3


def test_somebody_seen_once_is_where_they_were() -> None:
    assert middles(walked(100).poses_at(0.3)) == [100]


def test_people_keep_their_motion_whatever_their_order() -> None:
    people = CarriedPeople(0.0)
    for index in range(10):
        pair = [pose_at(100 + 10 * index), pose_at(900)]
        people = people.seen(pair[:: 1 if index % 2 else -1], [0.7, 0.6], index * 0.1)
    assert np.allclose(middles(people.poses_at(1.0)), [200, 900], atol=3)


def test_whoever_is_not_seen_is_forgotten_and_scores_go_with_the_boxes() -> None:
    people = walked(100, 110).seen([pose_at(900), pose_at(120)], [0.3, 0.7], 0.2)
    assert people.box_scores == (0.3, 0.7)
    assert people.seen([], [], 0.3).poses_at(0.4) == ()


def test_time_that_goes_back_moves_nobody() -> None:
    people = walked(100, 110, 120)
    assert middles(people.poses_at(0.0)) == middles(people.poses_at(0.2))
