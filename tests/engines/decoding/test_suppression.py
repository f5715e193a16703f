import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.artefact import Thresholds
from engines.decoding.suppression import select_people, suppress_doubles
from stream.oks import object_keypoint_similarity, pose_area_px2
from stream.skeleton import COCO_17

Floats = NDArray[np.float32]
ALIKE = 0.6
SETTINGS = Thresholds(min_score=0.2, nms_oks=ALIKE)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """(M, 17, 3) poses and (M,) scores: a few people, each with several near copies; ties."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people = draw(st.integers(1, 4))
    count = draw(st.integers(0, 30))
    jitter = draw(st.sampled_from([0.0, 1.0, 5.0, 30.0]))
    middles = rng.uniform(0, 400, (people, 1, 2)) + rng.normal(0, 30, (people, 17, 2))
    points = middles[rng.integers(people, size=count)] + rng.normal(0, jitter, (count, 17, 2))
    confidence = rng.choice([0.0, 0.3, 0.9], (count, 17, 1))
    poses = np.concatenate([points, confidence], -1).astype(np.float32)
    return poses, rng.choice([0.1, 0.2, 0.5, 0.50001, 0.9], count).astype(np.float32)


def kept(poses: Floats, scores: Floats, settings: Thresholds = SETTINGS) -> NDArray[np.intp]:
    return suppress_doubles(poses[None], scores[None], settings, COCO_17.sigmas)[0]


def alike(poses: Floats) -> Floats:
    points = np.ascontiguousarray(poses[..., :2])
    weights = np.maximum(poses[..., 2], np.float32(0.01))
    return object_keypoint_similarity(
        points, points, weights, pose_area_px2(points), COCO_17.sigmas
    )


def person(x: float, y: float, confidence: float = 1.0) -> Floats:
    grid = [(x + 20 * (j % 4), y + 30 * (j // 4), confidence) for j in range(17)]
    return np.array(grid, np.float32)


@given(crowds())
def test_suppressing_again_changes_nothing(crowd: tuple[Floats, Floats]) -> None:
    poses, scores = crowd
    once = kept(poses, scores)
    assert kept(poses[once], scores[once]).tolist() == list(range(len(once)))


@given(crowds(), st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(
    crowd: tuple[Floats, Floats], random: object
) -> None:
    poses, scores = crowd
    order = np.arange(len(poses))
    random.shuffle(order)  # type: ignore[attr-defined]
    straight, shuffled = kept(poses, scores), kept(poses[order], scores[order])
    np.testing.assert_array_equal(poses[straight], poses[order][shuffled])


@given(crowds())
def test_the_best_pose_is_always_kept_and_comes_first(crowd: tuple[Floats, Floats]) -> None:
    poses, scores = crowd
    found = scores[kept(poses, scores)].tolist()
    enough = scores[scores >= np.float32(SETTINGS.min_score)]
    assert found == sorted(found, reverse=True)
    assert found[:1] == ([enough.max()] if enough.size else [])


@given(crowds())
def test_no_two_people_are_alike_and_nobody_else_is_lost(crowd: tuple[Floats, Floats]) -> None:
    poses, scores = crowd
    people = kept(poses, scores)
    similar = alike(poses[people])
    assert not (np.triu(similar, 1) > ALIKE).any()
    everybody = alike(poses)
    for lost in set(np.flatnonzero(scores >= np.float32(0.2))) - set(people):
        better = people[scores[people] >= scores[lost]]
        assert (everybody[better, lost] > ALIKE).any()


def test_of_two_doubles_the_better_stays() -> None:
    poses = np.stack([person(50, 50), person(51, 50), person(300, 50)])
    assert kept(poses, np.array([0.5, 0.9, 0.7], np.float32)).tolist() == [1, 2]


def test_slack_makes_doubles_of_small_people_one_and_leaves_large_ones_apart() -> None:
    def two(size: float) -> Floats:
        small = person(0, 0) * np.array([size, size, 1], np.float32)
        return np.stack([small, small + np.array([10 * size, 0, 0], np.float32)])

    scores = np.array([0.5, 0.9], np.float32)
    slack = SETTINGS.model_copy(update={"nms_slack_px": 30.0})
    assert [len(kept(two(size), scores)) for size in (0.2, 4.0)] == [2, 2]
    assert [len(kept(two(size), scores, slack)) for size in (0.2, 4.0)] == [1, 2]


def test_two_people_of_unseen_joints_at_one_place_are_one() -> None:
    poses = np.stack([person(50, 50, 0.0), person(50, 50, 0.0)])
    assert len(kept(poses, np.array([0.5, 0.9], np.float32))) == 1


def test_poses_below_the_score_are_nobody() -> None:
    assert kept(person(50, 50)[None], np.array([0.19], np.float32)).size == 0


def test_each_picture_is_on_its_own() -> None:
    poses = np.stack([person(50, 50), person(50, 50)])[:, None]
    found = suppress_doubles(poses, np.full((2, 1), 0.5, np.float32), SETTINGS, COCO_17.sigmas)
    assert [indices.tolist() for indices in found] == [[0], [0]]


@pytest.mark.parametrize("shape", [(0, 30), (2, 0)])
def test_nothing_in_nothing_out(shape: tuple[int, int]) -> None:
    found = suppress_doubles(
        np.zeros((*shape, 17, 3), np.float32),
        np.zeros(shape, np.float32),
        SETTINGS,
        COCO_17.sigmas,
    )
    assert [indices.tolist() for indices in found] == [[]] * shape[0]


def test_soft_suppression_lowers_the_score_of_who_overlaps_a_better_one() -> None:
    square = np.zeros((3, 17, 3), np.float32)
    square[:, :2, 0] = [0, 99]  # boxes of 100 x 100, sides + 1
    square[:, :2, 1] = [0, 99]
    square[1, :, 0] += 50  # a third of the union is shared
    square[2, :, 0] += 300
    scores = np.array([[0.9, 0.6, 0.5]], np.float32)
    soft = Thresholds(min_score=0.2, soft_nms_iou=0.3)
    [(people, final)] = select_people(square[None], scores, soft, COCO_17.sigmas)
    assert people.tolist() == [0, 2, 1]
    np.testing.assert_allclose(final, [0.9, 0.5, 0.4], rtol=1e-6)
    strict = Thresholds(min_score=0.45, soft_nms_iou=0.3)
    [(people, final)] = select_people(square[None], scores, strict, COCO_17.sigmas)
    assert people.tolist() == [0, 2]


def test_soft_suppression_of_nobody_is_nobody() -> None:
    soft = Thresholds(min_score=0.0, soft_nms_iou=0.3)
    nobody = np.zeros((2, 4, 17, 3), np.float32), np.zeros((2, 4), np.float32)
    for people, final in select_people(*nobody, soft, COCO_17.sigmas):
        assert people.size == final.size == 0


def test_greedy_selection_keeps_scores() -> None:
    poses = np.random.default_rng(0).uniform(0, 100, (2, 5, 17, 3)).astype(np.float32)
    scores = np.random.default_rng(1).uniform(0, 1, (2, 5)).astype(np.float32)
    kept = suppress_doubles(poses, scores, SETTINGS, COCO_17.sigmas)
    selected = select_people(poses, scores, SETTINGS, COCO_17.sigmas)
    for row, (people, final) in enumerate(selected):
        assert people.tolist() == kept[row].tolist()
        assert final.tolist() == scores[row, people].tolist()
