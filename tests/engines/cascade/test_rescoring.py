from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.artefact import NO_PICTURE, Artefact
from engines.canvas_stage import EngineFactory
from engines.cascade.settings import CascadeSettings
from engines.certification.picture_set import drawn_set
from engines.engine import Engine, Tensors
from engines.zoo_models import find_model
from stream.errors import EngineError
from stream.pose import FramePoses
from tests.tiny_cascade import TWO_PEOPLE, cascade_of, estimator, frame, opener, tiny_models
from tests.tiny_scorer import WIDTH, write_tiny_scorer

SEARCHES = (("one_pass",), ("one_pass", "refiner"), ("detector", "top_down"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artefact]:
    folder = tmp_path_factory.mktemp("models")
    return tiny_models(folder) | {"scorer": write_tiny_scorer(folder / "tiny_scorer")}


def expected_scores(before: FramePoses, least: float) -> list[float]:
    """By the tiny scorer's rule, best first; who has too little is nobody."""
    new = [min(p.score * (1 - p.keypoints_px[0, 0] / WIDTH), 1) for p in before.poses]
    return sorted((score for score in new if score >= least), reverse=True)


@pytest.mark.parametrize("stages", SEARCHES)
def test_poses_keep_their_place_and_get_new_scores(
    models: dict[str, Artefact], stages: tuple[str, ...]
) -> None:
    frames = [frame(TWO_PEOPLE), frame({}, 0, "attic"), frame({(60, 40): 250}, 0, "yard")]
    without = estimator(cascade_of(models, *stages)).estimate(frames)
    cascade = cascade_of(models, *stages, "scorer")
    found = estimator(cascade).estimate(frames)
    assert any(one.poses for one in found)
    for before, after in zip(without, found, strict=True):
        expected = expected_scores(before, cascade.thresholds.min_score)
        assert [pose.score for pose in after.poses] == pytest.approx(expected)
        places = {pose.keypoints_px.tobytes() for pose in before.poses}
        assert {pose.keypoints_px.tobytes() for pose in after.poses} <= places


def test_the_thresholds_stay_those_of_who_found_the_poses(models: dict[str, Artefact]) -> None:
    found = cascade_of(models, "detector", "top_down", "scorer")
    assert found.scoring == models["top_down"]
    assert found.name.endswith("+tiny_scorer")


def test_a_frame_gets_the_same_alone_and_people_are_carried_by_their_old_scores(
    models: dict[str, Artefact],
) -> None:
    cascade = cascade_of(models, "detector", "top_down", "scorer")
    settings = CascadeSettings(detect_every=3)
    together, alone = (estimator(cascade, settings=settings) for _ in range(2))
    frames = [frame({(40 + 2 * index, 44): 255}, index) for index in range(4)]
    singly = [one for shown in frames for one in alone.estimate([shown])]
    for one, other in zip(together.estimate(frames), singly, strict=True):
        assert [p.score for p in one.poses] == [p.score for p in other.poses]
        assert len(one.poses) == 1


def test_its_engine_is_prepared_told_and_closed(models: dict[str, Artefact]) -> None:
    made = estimator(cascade_of(models, "one_pass", "scorer"))
    made.prepare(160, 96)
    assert [spec.model for spec in made.engine_specs] == ["tiny", "tiny_scorer"]
    made.close()
    made.close()
    with pytest.raises(EngineError, match="closed"):
        made.estimate([frame(TWO_PEOPLE)])


class BrokenEngine:
    """An engine that gives nonsense."""

    def __init__(self, engine: Engine) -> None:
        self.spec, self.close = engine.spec, engine.close

    def infer(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        return {"rescored": np.full(len(inputs["scores"]), np.nan, np.float32)}


def opens_nonsense(artefact: Artefact) -> EngineFactory:
    if artefact.manifest.stage != "scorer":
        return opener(artefact)
    return lambda canvas: BrokenEngine(opener(artefact)(canvas))


def test_nonsense_is_refused(models: dict[str, Artefact]) -> None:
    made = estimator(cascade_of(models, "one_pass", "scorer"), opens=opens_nonsense)
    with pytest.raises(EngineError, match="tiny_scorer gave NaN or infinity"):
        made.estimate([frame(TWO_PEOPLE)])


def test_the_shipped_scorer_tells_people_from_joints_at_random() -> None:
    known = drawn_set().joints_px
    assert known is not None
    people = np.concatenate(known)[:8].astype(np.float32)
    order = np.random.default_rng(0).permutation(people.shape[1])
    places = np.concatenate([people, people[:, order]])
    poses = np.concatenate([places, np.full((*places.shape[:2], 1), 0.7, np.float32)], 2)
    scores = np.full(len(poses), 0.4, np.float32)
    with closing(opener(find_model("scoring_net"))(NO_PICTURE)) as engine:
        new = engine.infer({"poses": poses, "scores": scores})["rescored"]
    assert new[:8].min() > new[8:].max()
