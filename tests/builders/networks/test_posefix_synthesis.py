import math

import numpy as np
import pytest
from numpy.typing import NDArray

from builders.networks.posefix_synthesis import (
    Error,
    Scenes,
    error_chances,
    oks_distance,
    synthesise,
)
from stream.skeleton import COCO_17

Array = NDArray[np.float64]
DRAWS = 20_000
MIRROR = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def table(joint: int, n: int, overlap: int) -> dict[Error, float]:
    """The published table, written once more."""
    face, shoulder = joint <= 4, joint in (5, 6)
    upper, ankle = joint <= 10, joint >= 15
    nose_or_leg = joint == 0 or joint >= 13
    hip = joint in (11, 12)
    jitter = 0.15 if nose_or_leg else 0.25 if hip else 0.20
    jitter -= 0.05 if n > 10 else 0
    low = face, shoulder or ankle
    rows = (0.15, 0.20, 0.25) if n <= 5 else (0.10, 0.13, 0.15) if n <= 10 else (0.02, 0.05, 0.10)
    miss = rows[0] if low[0] else rows[1] if low[1] else rows[2]
    inversion = 0.01 if face else 0.03 if upper else 0.06
    crowded = (n <= 10 and overlap > 0) or (n <= 15 and overlap >= 3)
    swaps = (0.02, 0.15, 0.10) if crowded else (0.01, 0.06, 0.03)
    swap = swaps[0] if face else swaps[1] if upper else swaps[2]
    good = 1 - jitter - miss - inversion - swap
    return dict(zip(list(Error)[1:], (good, jitter, miss, inversion, swap), strict=True))


def apart(count: int, n: int, others: int, overlap: int) -> Scenes:
    """People whose joints lie so far from each other that every draw survives.

    n joints are annotated; the others have a stand-in.
    """
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(3)), -1).reshape(-1, 2)[:17] * 1000.0
    truth = np.concatenate([grid, np.ones((17, 1))], 1)
    stand_in = truth.copy()
    truth[n:, 2] = 0
    away = [np.array([0, 10_000.0 * (i + 1), 0]) for i in range(others)]
    near = np.stack([truth + move for move in away] or [truth])
    near[..., 2] = 1 if others else 0
    first, second, third = (
        np.broadcast_to(part, (count, *part.shape)) for part in (truth, stand_in, near)
    )
    return Scenes(first, second, third, np.full(count, 900.0), np.full(count, overlap))


@pytest.mark.parametrize("n", [3, 5, 6, 10, 11, 15, 16, 17])
@pytest.mark.parametrize("overlap", [0, 1, 3])
def test_chances_are_the_published_table(n: int, overlap: int) -> None:
    got = error_chances(np.array([n]), np.array([overlap]))[0]
    for joint in range(17):
        expected = table(joint, n, overlap)
        np.testing.assert_allclose(got[joint], list(expected.values()), atol=1e-12)
        assert got[joint].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("n", "overlap"), [(4, 0), (4, 1), (8, 0), (8, 2), (12, 1), (12, 3), (17, 0), (17, 3)]
)
def test_frequencies_agree_with_the_table_over_20000_draws(n: int, overlap: int) -> None:
    scenes = apart(DRAWS, n, others=2, overlap=overlap)
    _, kinds = synthesise(scenes, np.random.default_rng([7, n, overlap]))
    errors = []
    good = []
    for joint in range(17):
        chances = table(joint, n, overlap)
        if joint == 0 or MIRROR[joint] >= n:
            chances[Error.INVERSION] = 0  # no mirror joint, or not annotated
        total = sum(chances.values())
        good.append(chances[Error.GOOD] / total)
        for kind, chance in chances.items():
            p = chance / total
            spread = math.sqrt(p * (1 - p) / DRAWS)
            share = (kinds[:, joint] == kind).mean()
            errors.append(abs(share - p) / spread if spread else share * 1e9)
    # Each of 85 comparisons lies within 2 standard errors with chance 0.954, so a few do not.
    assert np.mean(np.array(errors) <= 2) >= 0.90
    assert max(errors) < 4.5
    spread = math.sqrt(sum(p * (1 - p) for p in good) / DRAWS) / 17
    assert abs((kinds == Error.GOOD).mean() - np.mean(good)) < 2 * spread


def test_distances_are_those_at_which_oks_falls_to_q() -> None:
    area = np.array([1234.0])
    distance = oks_distance(0.5, area)[0]
    similar = np.exp(-(distance**2) / (2 * 1234.0 * (2 * COCO_17.sigmas.astype(float)) ** 2))
    np.testing.assert_allclose(similar, 0.5)


def radii(kind: Error) -> Array:
    """Distances of one error's points from their centre, over joints, in d(.5)."""
    scenes = apart(4000, 17, 1, 3)
    poses, kinds = synthesise(scenes, np.random.default_rng(3))
    half = oks_distance(0.5, scenes.area)[0]
    drawn = []
    for joint in range(1, 17):
        mine = poses[kinds[:, joint] == kind, joint, :2]
        own = scenes.truth[0, :, :2]
        centres = {
            Error.INVERSION: own[[MIRROR[joint]]],
            Error.SWAP: own[[joint, MIRROR[joint]]] + np.array([0, 10_000.0]),
        }.get(kind, own[[joint]])
        distance = np.linalg.norm(mine[:, None] - centres[None], axis=-1).min(1)
        drawn.append(distance / half[joint])
    return np.concatenate(drawn)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        (Error.GOOD, 0.0, math.sqrt(math.log(0.85) / math.log(0.5))),
        (Error.JITTER, math.sqrt(math.log(0.85) / math.log(0.5)), 1.0),
        (Error.INVERSION, 0.0, 1.0),
        (Error.SWAP, 0.0, 1.0),
    ],
)
def test_radii_are_uniform_between_the_published_bounds(
    kind: Error, low: float, high: float
) -> None:
    distance = radii(kind)
    assert distance.min() >= low - 1e-9
    assert distance.max() <= high + 1e-9
    share = (distance < (low + high) / 2).mean()
    assert share == pytest.approx(0.5, abs=3 * 0.5 / math.sqrt(len(distance)))


def test_misses_lie_between_d50_and_d10_and_mostly_about_the_truth() -> None:
    scenes = apart(6000, 17, 1, 3)
    poses, kinds = synthesise(scenes, np.random.default_rng(4))
    reach = {q: oks_distance(q, scenes.area)[0] for q in (0.5, 0.1)}
    joint = 9
    mine = poses[kinds[:, joint] == Error.MISS, joint, :2]
    own = scenes.truth[0, :, :2]
    far = np.array([0, 10_000])
    places = np.stack([own[joint], own[10], own[joint] + far, own[10] + far])
    distance = np.linalg.norm(mine[:, None] - places[None], axis=-1)
    nearest = distance.argmin(1)
    assert distance.min() >= reach[0.5][joint]
    assert distance.min(1).max() <= reach[0.1][joint]
    # Draws about the three other places are thinned to a quarter: 1 to 1/4 each.
    assert (nearest == 0).mean() == pytest.approx(4 / 7, abs=3 * 0.5 / math.sqrt(len(mine)))


def test_points_are_never_nearer_to_another_place_than_to_their_own() -> None:
    scenes = apart(3000, 17, 1, 3)
    close = scenes.truth * [0.02, 0.02, 1]  # joints 20 px apart: d(.5) reaches others
    others = close[:, None] + [7.0, 5.0, 0.0]
    poses, kinds = synthesise(
        Scenes(close, close, others, scenes.area, scenes.overlaps), np.random.default_rng(5)
    )
    for joint in range(1, 17):
        places = np.stack(
            [
                close[0, joint],
                close[0, MIRROR[joint]],
                others[0, 0, joint],
                others[0, 0, MIRROR[joint]],
            ]
        )
        distance = np.linalg.norm(poses[:, joint, None, :2] - places[None, :, :2], axis=-1)
        for kind, centre in ((Error.GOOD, 0), (Error.JITTER, 0), (Error.INVERSION, 1)):
            mine = distance[kinds[:, joint] == kind]
            assert (mine.argmin(1) == centre).all()
        swapped = distance[kinds[:, joint] == Error.SWAP]
        assert (swapped[:, :2].min(1) > swapped[:, 2:].min(1)).all()


def test_types_that_cannot_be_drawn_give_their_chance_to_the_others() -> None:
    _, kinds = synthesise(apart(4000, 17, 0, 0), np.random.default_rng(6))
    assert not (kinds == Error.SWAP).any()
    assert not (kinds[:, 0] == Error.INVERSION).any()
    chances = table(7, 17, 0)
    p = chances[Error.GOOD] / (1 - chances[Error.SWAP])
    share = (kinds[:, 7] == Error.GOOD).mean()
    assert share == pytest.approx(p, abs=3 * math.sqrt(p * (1 - p) / 4000))


def test_a_joint_without_truth_and_stand_in_is_zeroed_and_invalid() -> None:
    scenes = apart(10, 16, 1, 1)
    stand_in = scenes.stand_in.copy()
    stand_in[:, 16] = 0
    poses, kinds = synthesise(
        Scenes(scenes.truth, stand_in, scenes.others, scenes.area, scenes.overlaps),
        np.random.default_rng(0),
    )
    assert (kinds[:, 16] == Error.NONE).all()
    assert not poses[:, 16].any()
    assert (poses[:, :16, 2] == 1).all()


def test_an_error_without_a_survivor_is_replaced_by_another() -> None:
    scenes = apart(500, 17, 4, 0)
    others = scenes.others.copy()
    others[..., 2] = 0
    ring = 0.3 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    others[:, :, 5, :2] = scenes.truth[:, None, 5, :2] + ring
    others[:, :, 5, 2] = 1  # four left shoulders around this one: no jitter can be nearer to it
    poses, kinds = synthesise(
        Scenes(scenes.truth, scenes.truth, others, scenes.area, scenes.overlaps),
        np.random.default_rng(0),
    )
    assert set(np.unique(kinds[:, 5])) == set(Error) - {Error.NONE, Error.JITTER}
    assert (kinds[:, 7] == Error.JITTER).any()
    assert (poses[..., 2] == 1).all()


def test_the_same_seed_gives_the_same_poses() -> None:
    scenes = apart(5, 12, 2, 1)
    first, second = (synthesise(scenes, np.random.default_rng(9))[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
