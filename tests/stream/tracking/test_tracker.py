import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import ConfigError, PoseError
from stream.pose import Pose
from stream.tracking.settings import TrackerSettings, settings_for_model
from stream.tracking.smoothing import SmoothingSettings
from stream.tracking.tracker import Tracker
from tests.stream.tracking.walkers import frame, middle_x, person

Ids = list[int]


def follow(
    tracker: Tracker, paths: list[list[float | None]], fps: float, y_step: float = 0.0
) -> list[list[int | None]]:
    """Ids of people who stand at the xs of their path, None while hidden; None where not shown."""
    history: list[list[int | None]] = []
    for index, places in enumerate(zip(*paths, strict=True)):
        here = [
            (who, person(x, 200 + who * y_step)) for who, x in enumerate(places) if x is not None
        ]
        tracked = tracker.update(frame(index, *(pose for _, pose in here)), index / fps)
        by_place = {middle_x(t.pose) + t.pose.keypoints_px[0, 1] * 1e4: t.track for t in tracked}
        row: list[int | None] = [None] * len(paths)
        for who, pose in here:
            row[who] = by_place.get(middle_x(pose) + pose.keypoints_px[0, 1] * 1e4)
        history.append(row)
    return history


def walk(start: float, px_per_second: float, seconds: float, fps: float) -> list[float | None]:
    return [start + index / fps * px_per_second for index in range(int(seconds * fps))]


def ids_of(history: list[list[int | None]], who: int) -> set[int]:
    return {number for row in history if (number := row[who]) is not None}


def test_a_person_has_its_id_from_the_first_frame() -> None:
    (tracked,) = Tracker().update(frame(0, person(50)), 0.0)
    assert tracked.track == 1


def test_ids_count_from_1_in_the_order_of_the_poses() -> None:
    tracked = Tracker().update(frame(0, person(50), person(300), person(600)), 0.0)
    assert [t.track for t in tracked] == [1, 2, 3]


def test_trackers_share_no_ids() -> None:
    first, second = Tracker(), Tracker()
    first.update(frame(0, person(50), person(300)), 0.0)
    (tracked,) = second.update(frame(0, person(50), stream="other"), 0.0)
    assert tracked.track == 1


@pytest.mark.parametrize("fps", [5.0, 10.0, 25.0, 60.0])
def test_a_walker_keeps_its_id_at_every_frame_rate(fps: float) -> None:
    history = follow(Tracker(), [walk(0, 90, 4, fps)], fps)
    assert ids_of(history, 0) == {1}


@settings(max_examples=40)
@given(
    fps=st.sampled_from([5.0, 10.0, 30.0, 60.0]),
    left_speed=st.floats(40, 110),
    right_speed=st.floats(40, 110),
    apart=st.floats(8, 40),
)
def test_walkers_that_cross_keep_their_ids(
    fps: float, left_speed: float, right_speed: float, apart: float
) -> None:
    paths = [walk(0, left_speed, 5, fps), walk(400, -right_speed, 5, fps)]
    history = follow(Tracker(), paths, fps, y_step=apart)
    assert (ids_of(history, 0), ids_of(history, 1)) == ({1}, {2})


def test_two_people_who_swap_sides_keep_their_ids() -> None:
    fps = 10.0
    paths = [
        walk(100, 0, 1, fps) + walk(100, 80, 2, fps) + walk(260, 0, 1, fps),
        walk(260, 0, 1, fps) + walk(260, -80, 2, fps) + walk(100, 0, 1, fps),
    ]
    history = follow(Tracker(), paths, fps, y_step=15)
    assert (ids_of(history, 0), ids_of(history, 1)) == ({1}, {2})


def hidden(path: list[float | None], start: int, count: int) -> list[float | None]:
    return [None if start <= index < start + count else x for index, x in enumerate(path)]


def test_an_id_survives_a_gap_shorter_than_the_limit() -> None:
    path = hidden(walk(0, 60, 6, 10), 20, 12)
    assert ids_of(follow(Tracker(TrackerSettings(lost_seconds=1.5)), [path], 10), 0) == {1}


def test_an_id_ends_in_a_gap_longer_than_the_limit_and_is_not_used_again() -> None:
    path = hidden(walk(0, 60, 6, 10), 20, 20)
    assert ids_of(follow(Tracker(TrackerSettings(lost_seconds=1.5)), [path], 10), 0) == {1, 2}


def test_a_hidden_person_takes_no_id_of_the_one_who_hides_it() -> None:
    paths = [walk(0, 80, 5, 10), hidden(walk(200, 0, 5, 10), 22, 6)]
    history = follow(Tracker(), paths, 10, y_step=10)
    assert (ids_of(history, 0), ids_of(history, 1)) == ({1}, {2})


@given(st.lists(st.booleans(), min_size=40, max_size=40))
def test_dropped_frames_cost_no_ids(dropped: list[bool]) -> None:
    tracker = Tracker(TrackerSettings(lost_seconds=10))
    numbers = set()
    for index, gone in enumerate(dropped):
        if index < 5 or not gone:
            (tracked,) = tracker.update(frame(index, person(index * 4.0)), index / 20)
            numbers.add(tracked.track)
    assert numbers == {1}


def test_empty_frames_pass_time() -> None:
    tracker = Tracker(TrackerSettings(lost_seconds=1.0))
    tracker.update(frame(0, person(50)), 0.0)
    assert tracker.update(frame(1), 0.9) == ()
    assert len(tracker.tracks) == 1
    tracker.update(frame(2), 1.1)
    assert not tracker.tracks


def test_a_time_that_goes_back_counts_as_no_time() -> None:
    tracker = Tracker(TrackerSettings(lost_seconds=1.0))
    tracker.update(frame(0, person(50)), 100.0)
    (tracked,) = tracker.update(frame(1, person(52)), 3.0)
    assert tracked.track == 1
    tracker.update(frame(2), 3.5)
    (tracked,) = tracker.update(frame(3, person(54)), 3.6)
    assert tracked.track == 1


def test_a_weak_pose_continues_a_track_but_starts_none() -> None:
    tracker = Tracker(TrackerSettings(start_score=0.3))
    tracker.update(frame(0, person(50)), 0.0)
    (tracked,) = tracker.update(frame(1, person(52, score=0.1), person(400, score=0.1)), 0.1)
    assert tracked.track == 1


def test_a_weak_pose_does_not_continue_a_lost_track() -> None:
    tracker = Tracker()
    tracker.update(frame(0, person(50)), 0.0)
    tracker.update(frame(1), 0.1)
    assert tracker.update(frame(2, person(50, score=0.1)), 0.2) == ()


def test_a_strong_pose_is_matched_before_a_weak_one() -> None:
    tracker = Tracker()
    tracker.update(frame(0, person(50)), 0.0)
    strong, weak = person(56, score=0.8), person(50, score=0.1)
    (tracked,) = tracker.update(frame(1, strong, weak), 0.1)
    assert tracked.pose is strong


def test_an_uncertain_person_is_shown_when_seen_twice_in_a_row() -> None:
    tracker = Tracker(TrackerSettings(start_score=0.3, confirm_score=0.5, confirm_hits=2))
    assert tracker.update(frame(0, person(50, score=0.4)), 0.0) == ()
    assert tracker.update(frame(1), 0.1) == ()
    assert tracker.update(frame(2, person(50, score=0.4)), 0.2) == ()
    (tracked,) = tracker.update(frame(3, person(50, score=0.4)), 0.3)
    assert tracked.track == 1


def test_poses_leave_in_the_order_they_came_and_unchanged() -> None:
    tracker = Tracker()
    tracker.update(frame(0, person(50), person(300)), 0.0)
    poses = person(301), person(51)
    before = [pose.keypoints_px.copy() for pose in poses]
    tracked = tracker.update(frame(1, *poses), 0.1)
    assert [t.track for t in tracked] == [2, 1]
    assert [t.pose for t in tracked] == list(poses)
    for pose, keypoints_px in zip(poses, before, strict=True):
        np.testing.assert_array_equal(pose.keypoints_px, keypoints_px)


def test_smoothing_calms_what_leaves_and_ends_with_the_track() -> None:
    tracker = Tracker(TrackerSettings(smoothing=SmoothingSettings(), lost_seconds=1.0))
    tracker.update(frame(0, person(50)), 0.0)
    (tracked,) = tracker.update(frame(1, person(56)), 0.1)
    assert middle_x(person(50)) < middle_x(tracked.pose) < middle_x(person(56))
    tracker.update(frame(2), 5.0)
    (tracked,) = tracker.update(frame(3, person(60)), 5.1)
    assert (tracked.track, middle_x(tracked.pose)) == (2, middle_x(person(60)))


def test_ten_thousand_ids_leave_nothing_behind() -> None:
    tracker = Tracker(TrackerSettings(lost_seconds=0.5))
    last = 0
    for index in range(10_000):
        (tracked,) = tracker.update(frame(index, person((index % 9) * 500.0)), index / 10)
        last = tracked.track
        assert len(tracker.tracks) <= 8
    assert last == 10_000


def test_people_without_end_at_one_time_do_not_fill_the_memory() -> None:
    tracker = Tracker(TrackerSettings(max_tracks=50))
    for index in range(300):
        tracker.update(frame(index, person(index * 500.0)), 1.0)
    assert len(tracker.tracks) == 50


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_no_id_is_shared_in_a_frame_and_every_run_is_the_same(seed: int) -> None:
    def crowd(generator: np.random.Generator) -> list[Pose]:
        places = generator.uniform(0, 400, (generator.integers(0, 8), 3))
        return [person(x, y, score=s / 400, confidence=s / 400) for x, y, s in places]

    def run() -> list[Ids]:
        generator, tracker = np.random.default_rng(seed), Tracker()
        return [
            [t.track for t in tracker.update(frame(index, *crowd(generator)), index / 10)]
            for index in range(20)
        ]

    history = run()
    assert all(len(set(ids)) == len(ids) for ids in history)
    assert all(ids <= set(range(1, max(ids, default=0) + 1)) for ids in map(set, history))
    assert history == run()


def test_a_frame_of_another_epoch_is_refused() -> None:
    tracker = Tracker()
    tracker.update(frame(0, person(50)), 0.0)
    with pytest.raises(PoseError, match="tracker of its own"):
        tracker.update(frame(0, person(50), epoch=1), 0.0)


@pytest.mark.parametrize("time", [float("nan"), float("inf")])
def test_a_time_that_is_not_finite_is_refused(time: float) -> None:
    with pytest.raises(PoseError, match="finite"):
        Tracker().update(frame(0), time)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_score": 0.6, "confirm_score": 0.5},
        {"min_similarity": 0.0},
        {"min_similarity_weak": 1.5},
        {"confirm_hits": 0},
        {"lost_seconds": -1.0},
        {"lost_seconds": float("nan")},
        {"max_tracks": 0},
    ],
)
def test_settings_without_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"expected|must"):
        TrackerSettings(**wrong)  # type: ignore[arg-type]


@given(st.floats(0, 1))
def test_every_models_threshold_makes_settings(start_score: float) -> None:
    assert settings_for_model(start_score).start_score == start_score


def test_a_double_of_a_person_gets_no_id() -> None:
    """It comes and goes, a fifth of a body beside the person, and takes no pose from it either."""
    tracker = Tracker()
    for index in range(20):
        doubles = (person(110.0, score=0.8),) if index % 4 else ()
        tracked = tracker.update(frame(index, person(100.0), *doubles), index / 10)
        assert [one.track for one in tracked] == [1]


def test_who_steps_out_from_behind_a_person_gets_an_id_when_they_part() -> None:
    tracker = Tracker()
    ids = []
    for index in range(12):
        hidden = person(100.0 + 12 * index, score=0.8)
        poses = (person(100.0), hidden) if index else (person(100.0),)
        tracked = tracker.update(frame(index, *poses), index / 25)
        ids.append(sorted(one.track for one in tracked))
    assert ids[0] == ids[1] == [1]
    assert ids[-1] == [1, 2]


def test_two_who_stay_close_are_two_after_a_while() -> None:
    tracker = Tracker()
    shown = [
        len(tracker.update(frame(index, person(100.0), person(112.0)), index / 10))
        for index in range(10)
    ]
    assert shown[0] == 2  # of two who come together neither can be told from the other
    late = Tracker()
    late.update(frame(0, person(100.0)), 0.0)
    shown = [
        len(late.update(frame(index, person(100.0), person(112.0)), index / 10))
        for index in range(1, 10)
    ]
    assert shown[0] == 1
    assert shown[-1] == 2


def test_a_lost_person_takes_no_pose_from_one_who_was_just_seen() -> None:
    """The lost one is believed to be nearer by now, and vaguely so: that made it alike to all."""
    tracker = Tracker()
    for index in range(8):
        lost = (person(40.0 + 20 * index),) if index < 5 else ()
        tracked = tracker.update(frame(index, person(200.0), *lost), index / 10)
    assert [one.track for one in tracked] == [1]
    [seen] = tracker.update(frame(8, person(206.0)), 0.8)
    assert seen.track == 1


def test_a_person_whose_joints_fail_keeps_its_id_by_its_place() -> None:
    tracker = Tracker()
    standing = person(200.0)
    for index in range(5):
        tracker.update(frame(index, standing), index / 10)
    swapped = standing.keypoints_px[::-1].copy()  # the same box, every joint elsewhere
    wrong = Pose(swapped, standing.confidence, standing.score)
    assert [one.track for one in tracker.update(frame(5, wrong), 0.5)] == [1]


def test_a_double_that_lasts_for_more_than_half_a_second_is_nobody() -> None:
    tracker = Tracker()
    tracker.update(frame(0, person(100.0)), 0.0)
    for index in range(1, 8):
        shown = tracker.update(frame(index, person(100.0), person(112.0)), index / 10)
        assert [one.track for one in shown] == [1]
    assert len(tracker.update(frame(8, person(100.0)), 0.8)) == 1
