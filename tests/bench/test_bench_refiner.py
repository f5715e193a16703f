"""What a refiner adds, over parts of unlike numbers of views."""

import numpy as np
import pytest

from builders.evaluation.people import People
from tests.bench.bench_refiner import AFTER, BEFORE, gains, parts, together
from tests.bench.bench_views import SETS, VIEW, VIEWS, views_of
from tests.bench.test_bench_views import labels_of, people, standing

SMALL, ALONE = " + ".join(SETS), "lspet"
MEASURED = parts([labels_of(1), labels_of(1)], labels_of(3))
RIGHT = people(standing(50, 20), scores=(0.5,))
WRONG = people(standing(500, 400), scores=(0.5,))


def found(small: People, alone: People) -> dict[str, dict[int, People]]:
    views = {view * VIEW + n: small for view in range(len(VIEWS)) for n in range(2)}
    return {SMALL: views, ALONE: dict.fromkeys(range(3), alone)}


def test_all_together_have_each_view_once() -> None:
    whole, everything = together(found(RIGHT, RIGHT), MEASURED)
    own = views_of(whole)
    assert [len(ids) for ids in own] == [4, 4, 1, 1, 1]
    shown = {one for ids in own for one in ids}
    assert shown == set(everything) == {picture["id"] for picture in whole.pictures}
    assert shown == {person["image_id"] for person in whole.people}
    assert len({person["id"] for person in whole.people}) == len(whole.people) == 11


def test_each_part_and_all_have_their_own_gain() -> None:
    measured = dict(gains(found(WRONG, RIGHT), found(RIGHT, RIGHT), MEASURED, draws=20))
    assert list(measured) == [SMALL, ALONE, f"{SMALL} + {ALONE}"]
    assert measured[SMALL][BEFORE] == 0
    assert measured[SMALL][AFTER] == pytest.approx(1, abs=1e-3)
    assert measured[ALONE]["difference"] == 0
    assert measured[ALONE]["interval"] == [0, 0]
    everybody = measured[f"{SMALL} + {ALONE}"]
    assert 0 < everybody["difference"] < 1
    assert np.all(np.diff(everybody["interval"]) > 0)
