"""Counting of id switches, and whose tracklets are beyond doubt."""

import numpy as np
import pytest

from tests.bench.switches import FrameIds, count_ids
from tests.bench.true_tracks import Seen, named, tracklets

JOINTS = np.random.default_rng(3).uniform(0, 1, (17, 2)).astype(np.float32)


def frame(people: tuple[int, ...], tracks: tuple[int, ...], pairs: dict[int, int]) -> FrameIds:
    """`pairs`: track of a person."""
    alike = np.zeros((len(people), len(tracks)), np.float32)
    for person, track in pairs.items():
        alike[people.index(person), tracks.index(track)] = 0.8
    return FrameIds(people, tracks, alike)


def person_at(x: float, y: float) -> np.ndarray:
    """(17, 3) 40 wide and 100 tall."""
    places = JOINTS * [40, 100] + [x, y]
    return np.concatenate([places, np.ones((17, 1))], 1).astype(np.float32)


def seen(*places: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """People of a frame."""
    people = np.array([person_at(*place) for place in places], np.float32).reshape(-1, 17, 3)
    return people, np.full(len(places), 0.9, np.float32)


def test_who_comes_back_with_another_id_has_switched_once() -> None:
    frames = [frame((7,), (1,), {7: 1}), frame((7,), (), {}), frame((7,), (2,), {7: 2})]
    counts = count_ids([*frames, frame((7,), (2,), {7: 2})], seconds=30)
    assert (counts.switches, counts.tracks, counts.matched, counts.present) == (1, 2, 3, 4)
    assert counts.figures()["switches a minute"] == 2
    assert counts.figures()["switches a minute of a person"] == 2


def test_two_who_swap_their_ids_have_switched_twice() -> None:
    frames = [frame((1, 2), (5, 6), {1: 5, 2: 6}), frame((1, 2), (5, 6), {1: 6, 2: 5})]
    assert count_ids(frames, seconds=60).switches == 2


def test_a_person_keeps_the_track_it_had_though_another_is_more_alike() -> None:
    both = FrameIds((1,), (5, 6), np.array([[0.4, 0.9]], np.float32))
    counts = count_ids([frame((1,), (5,), {1: 5}), both], seconds=60)
    assert counts.switches == 0


def test_nobody_without_a_track_switches() -> None:
    assert count_ids([frame((1,), (), {})], seconds=1).switches == 0


def test_a_walker_is_one_tracklet_though_missed_for_a_moment() -> None:
    frames = [seen((4.0 * step, 0)) if step != 3 else seen() for step in range(8)]
    [found] = tracklets(frames, 1)
    assert [one.frame for one in found] == [0, 1, 2, 4, 5, 6, 7]


def test_tracklets_end_where_two_people_meet() -> None:
    frames = [seen((10.0 * step, 0), (100 - 10.0 * step, 0)) for step in range(11)]
    found = tracklets(frames, 1)
    assert len(found) >= 4
    assert all(len({one.frame for one in each}) == len(each) for each in found)


def test_points_join_tracklets_and_leave_the_others_out() -> None:
    frames = [seen((0, 0), (500, 0)), *[seen() for _ in range(9)], seen((200, 0), (500, 0))]
    found = tracklets(frames, 1)
    people = named(found, [[(0, 20, 50), (10, 220, 50)]])
    assert [one.frame for one in people[0]] == [0, 10]


def test_a_point_at_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody at"):
        named(tracklets([seen((0, 0))], 1), [[(0, 300, 300)]])


def test_one_tracklet_is_not_two_people() -> None:
    found = tracklets([seen((0, 0)), seen((2, 0))], 1)
    with pytest.raises(ValueError, match="too"):
        named(found, [[(0, 20, 50)], [(1, 20, 50)]])


def test_who_is_seen_for_a_moment_is_nobody() -> None:
    frames = [seen((0, 0), (500, 0)), seen((2, 0), (502, 0)), seen((4, 0))]
    [found] = tracklets(frames, 3)
    assert [one.box[0] < 100 for one in found] == [True, True, True]


def test_a_person_seen_has_a_middle() -> None:
    box = np.array([0, 0, 10, 20], np.float32)
    assert Seen(0, person_at(0, 0), box).middle.tolist() == [5, 10]
