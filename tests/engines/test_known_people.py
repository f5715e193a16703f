from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engines.artefact import Artefact
from engines.canvas_stage import EngineFactory
from engines.certification.picture_set import PictureSet, drawn_set
from engines.known_people import HEIGHT, WIDTH, KnownPeopleEngine, draw_known_people
from stream.errors import ConfigError, EngineError
from tests.tiny_cascade import cascade_of, estimator, frame, opener, tiny_models

PEOPLE = [0, 1, 4, 8, 11]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artefact]:
    return tiny_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def engine(models: dict[str, Artefact]) -> Iterator[KnownPeopleEngine]:
    made = KnownPeopleEngine(opener(models["detector"])((160, 96)), models["detector"].manifest)
    yield made
    made.close()


@pytest.mark.parametrize("count", PEOPLE)
def test_a_frame_holds_so_many_people_apart_from_each_other(count: int) -> None:
    known = draw_known_people(count, drawn_set())
    assert known.rgb.shape == (HEIGHT, WIDTH, 3)
    assert known.poses.shape == (count, 17, 3)
    low, high = known.poses[..., :2].min(1), known.poses[..., :2].max(1)
    assert (low >= 0).all()
    assert (high < [WIDTH, HEIGHT]).all()
    for one in range(count):
        for other in range(one):
            assert (low[one] > high[other]).any() or (low[other] > high[one]).any()


def test_eight_people_are_as_large_as_one() -> None:
    tall = [np.ptp(draw_known_people(count, drawn_set()).poses[0, :, 1]) for count in (1, 8)]
    assert tall[0] == tall[1]


@pytest.mark.parametrize("stages", [("detector", "top_down"), ("one_pass", "refiner")])
def test_a_cascade_is_told_of_everybody_whatever_its_model_finds(
    models: dict[str, Artefact], stages: tuple[str, ...]
) -> None:
    made: list[KnownPeopleEngine] = []

    def open_known(artefact: Artefact) -> EngineFactory:
        if artefact != models[stages[0]]:
            return opener(artefact)

        def make_engine(canvas: tuple[int, int]) -> KnownPeopleEngine:
            made.append(KnownPeopleEngine(opener(artefact)(canvas), artefact.manifest))
            return made[-1]

        return make_engine

    cascade = estimator(cascade_of(models, *stages), opens=open_known)
    blank = frame({}, 0, "door", (WIDTH, HEIGHT))
    assert cascade.estimate([blank])[0].poses == ()
    made[0].people = draw_known_people(8, drawn_set()).poses
    assert len(cascade.estimate([blank])[0].poses) == 8


def test_more_people_than_candidates_are_refused(engine: KnownPeopleEngine) -> None:
    engine.people = draw_known_people(31, drawn_set()).poses
    with pytest.raises(EngineError, match="31 people, but only 30 candidates"):
        engine.infer({"canvas": np.zeros((1, 96, 160, 3), np.uint8)})


@pytest.mark.parametrize("count", [-1, 101])
def test_numbers_out_of_range_are_refused(count: int) -> None:
    with pytest.raises(ConfigError, match="expected 0 to 100"):
        draw_known_people(count, drawn_set())


def test_people_of_your_own_pictures_are_not_known(tmp_path: Path) -> None:
    mine = PictureSet(tmp_path.name, (np.zeros((9, 9, 3), np.uint8),))
    with pytest.raises(ConfigError, match="take the drawn ones"):
        draw_known_people(1, mine)
