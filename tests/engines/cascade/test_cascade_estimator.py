from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from builders.evaluation.boxes import BoxesOf
from builders.evaluation.people import People, people_of
from builders.evaluation.systems import boxes_of_detector
from builders.evaluation.top_down import CropModel, predict_in_boxes, predict_refined
from engines.artefact import Artefact
from engines.canvas_stage import EngineFactory
from engines.cascade.estimator import CascadeEstimator
from engines.cascade.first_stage import PeopleSoFar
from engines.cascade.followed_streams import FollowedStreams
from engines.cascade.settings import CascadeCounts, CascadeSettings, CascadeWatch
from engines.detector import Detector
from engines.engine import Engine, EngineSpec, Tensors
from engines.estimator import OnePassEstimator
from stream.clock import ManualClock
from stream.errors import ConfigError, EngineError
from stream.frame import Frame
from stream.picture import to_rgb
from stream.pose import FramePoses, Pose
from tests.tiny_cascade import (
    HEIGHT,
    TWO_PEOPLE,
    WIDTH,
    cascade_of,
    estimator,
    frame,
    joints_at,
    opener,
    tiny_models,
)
from tests.tiny_model import score_of
from tests.tiny_top_down import CONFIDENCE

TWO = TWO_PEOPLE
SEARCHES = (("detector", "top_down"), ("one_pass", "top_down"))
ALL = (*SEARCHES, ("one_pass", "refiner"), ("detector", "top_down", "refiner"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artefact]:
    return tiny_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def cascade(models: dict[str, Artefact]) -> Iterator[CascadeEstimator]:
    found = estimator(cascade_of(models, "detector", "top_down"))
    yield found
    found.close()


def keypoints(found: FramePoses) -> NDArray[np.float32]:
    return np.array([pose.keypoints_px for pose in found.poses], np.float32)


def opened(cascade: CascadeEstimator) -> list[str]:
    return [spec.model for spec in cascade.engine_specs]


def rows(found: FramePoses) -> list[tuple[bytes, bytes, float]]:
    """To the bit."""
    return [(p.keypoints_px.tobytes(), p.confidence.tobytes(), p.score) for p in found.poses]


class CountedEngine:
    """An engine that tells how many rows each batch had; fails when told to."""

    def __init__(self, engine: Engine, batches: list[int]) -> None:
        self._engine, self._batches = engine, batches
        self.fails = False

    @property
    def spec(self) -> EngineSpec:
        return self._engine.spec

    def infer(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        if self.fails:
            raise EngineError("made to fail")
        self._batches.append(len(next(iter(inputs.values()))))
        return self._engine.infer(inputs)

    def close(self) -> None:
        self._engine.close()


class BrokenEngine(CountedEngine):
    """An engine that gives nonsense."""

    def infer(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        return {"keypoints": np.full((len(inputs["crops"]), 17, 3), np.nan, np.float32)}


class Counted:
    """Opens engines that count, by the stage of their model."""

    def __init__(self) -> None:
        self.batches: dict[str, list[int]] = {}
        self.engines: dict[str, CountedEngine] = {}

    def __call__(self, artefact: Artefact) -> EngineFactory:
        stage = artefact.manifest.stage
        batches = self.batches.setdefault(stage, [])

        def make_engine(canvas: tuple[int, int]) -> Engine:
            self.engines[stage] = CountedEngine(opener(artefact)(canvas), batches)
            return self.engines[stage]

        return make_engine


def test_people_have_the_poses_of_their_boxes_best_first(cascade: CascadeEstimator) -> None:
    (found,) = cascade.estimate([frame(TWO, 7)])
    assert (found.stream, found.epoch, found.index) == ("door", 0, 7)
    np.testing.assert_allclose(keypoints(found), joints_at(list(TWO)), atol=1)
    # The score of a person is that of the box times the mean confidence of the joints.
    expected = [CONFIDENCE, score_of(230) * CONFIDENCE]
    assert [pose.score for pose in found.poses] == pytest.approx(expected, abs=0.01)
    assert cascade.model == "tiny_detector+tiny_top_down"


def evaluated(models: dict[str, Artefact], stages: tuple[str, ...], shown: Frame) -> People:
    """What the evaluation code, written apart, finds in the same picture."""
    rgb, clock = to_rgb(shown.picture), ManualClock()
    crops = {
        stage: CropModel(models[stage].manifest, opener(models[stage])((96, 128)))
        for stage in stages[1:]
    }
    first = models[stages[0]]
    if stages[0] == "one_pass":
        one_pass = OnePassEstimator(first, opener(first), clock=clock)
        people = people_of(one_pass.estimate([shown])[0].poses)
        return predict_refined(lambda _, __: people, crops["refiner"])(0, rgb)
    boxes: BoxesOf = boxes_of_detector(Detector(first, opener(first), clock=clock))
    return predict_in_boxes(boxes, crops["top_down"], crops.get("refiner"))(0, rgb)


@pytest.mark.parametrize("stages", [stages for stages in ALL if stages != ("one_pass", "top_down")])
def test_people_are_those_of_the_evaluation(
    models: dict[str, Artefact], stages: tuple[str, ...]
) -> None:
    shown = frame(TWO | {(75, 30): 240})
    (found,) = estimator(cascade_of(models, *stages)).estimate([shown])
    expected, scores = evaluated(models, stages, shown)
    assert len(found.poses) == len(scores) >= 2
    np.testing.assert_allclose(keypoints(found), expected[..., :2], atol=1e-3)
    assert [pose.score for pose in found.poses] == pytest.approx(scores.tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("stages", "detect_every"),
    [(stages, every) for every in (1, 2) for stages in ALL if every == 1 or "top_down" in stages],
)
def test_what_a_frame_gets_does_not_depend_on_what_it_rides_with(
    models: dict[str, Artefact], stages: tuple[str, ...], detect_every: int
) -> None:
    frames = [
        made
        for index in range(4)
        for made in (
            frame({(40 + 2 * index, 44): 255, (118, 52): 230}, index),
            frame({(50, 40): 240}, index, "yard", (128, 96)),
            frame({}, index, "attic"),
        )
    ]
    settings = CascadeSettings(detect_every=detect_every)
    together, alone, pairs = (
        estimator(cascade_of(models, *stages), settings=settings) for _ in range(3)
    )
    expected = [rows(one) for made in frames for one in alone.estimate([made])]
    assert [rows(one) for one in together.estimate(frames)] == expected
    halves = [frames[:5], frames[5:]]
    assert [rows(one) for half in halves for one in pairs.estimate(half)] == expected
    assert [bool(people) for people in expected[:3]] == [True, True, False]


def test_all_people_of_all_frames_ride_in_one_batch_of_crops(
    models: dict[str, Artefact],
) -> None:
    counted = Counted()
    made = estimator(cascade_of(models, "detector", "top_down", "refiner"), opens=counted)
    made.estimate([frame(TWO), frame({(60, 40): 255}, 0, "yard"), frame({}, 0, "attic")])
    assert counted.batches == {"detector": [1, 1, 1], "top_down": [3], "refiner": [3]}


def test_between_two_searches_people_are_carried_as_they_move(
    models: dict[str, Artefact],
) -> None:
    counted, told = Counted(), list[CascadeCounts]()
    made = estimator(
        cascade_of(models, "detector", "top_down"),
        settings=CascadeSettings(detect_every=4),
        watch=CascadeWatch(count=told.append),
        opens=counted,
    )
    for index in range(8):
        place = (40 + 6 * index, 44)
        (found,) = made.estimate([frame({place: 255}, index)])
        assert len(found.poses) == 1
        # Crops grow with the tiny model's poses, which grow with the crops; their middle stays.
        low, high = keypoints(found)[0].min(0), keypoints(found)[0].max(0)
        np.testing.assert_allclose((low + high) / 2, place, atol=4)
    assert len(counted.batches["detector"]) == 2
    assert [(one.detected, one.carried) for one in told] == [(1, 0), (0, 1), (0, 1), (0, 1)] * 2


@pytest.mark.parametrize(
    ("second", "searched"),
    [
        (Frame("door", 0, 1, 0.04, 0.0, frame(TWO).picture), False),
        (Frame("door", 1, 1, 0.04, 0.0, frame(TWO).picture), True),
        (Frame("door", 0, 9, 3.0, 0.0, frame(TWO).picture), True),
        (Frame("door", 0, 0, 0.0, 0.0, frame(TWO).picture), True),
        (Frame("yard", 0, 1, 0.04, 0.0, frame(TWO).picture), True),
    ],
    ids=["next", "new epoch", "long gap", "again", "another stream"],
)
def test_people_are_carried_only_to_the_next_frames_of_their_stream(
    models: dict[str, Artefact], second: Frame, *, searched: bool
) -> None:
    counted = Counted()
    made = estimator(
        cascade_of(models, "detector", "top_down"),
        settings=CascadeSettings(detect_every=100),
        opens=counted,
    )
    for shown in (frame(TWO), second):
        assert len(made.estimate([shown])[0].poses) == 2
    assert len(counted.batches["detector"]) == 1 + searched


def test_a_batch_that_fails_changes_nothing(models: dict[str, Artefact]) -> None:
    counted = Counted()
    made = estimator(
        cascade_of(models, "detector", "top_down"),
        settings=CascadeSettings(detect_every=4),
        opens=counted,
    )
    made.estimate([frame(TWO, 0)])
    counted.engines["top_down"].fails = True
    with pytest.raises(EngineError, match="made to fail"):
        made.estimate([frame(TWO, 1), frame(TWO, 2)])
    counted.engines["top_down"].fails = False
    made.estimate([frame(TWO, index) for index in range(1, 5)])
    assert len(counted.batches["detector"]) == 2  # frames 0 and 4


def test_where_nobody_is_no_crop_is_cut(models: dict[str, Artefact]) -> None:
    counted = Counted()
    made = estimator(cascade_of(models, "detector", "top_down"), opens=counted)
    assert [one.poses for one in made.estimate([frame({})])] == [()]
    assert made.estimate([]) == []
    assert counted.batches["top_down"] == []


def test_only_doubtful_and_crowded_poses_are_refined(models: dict[str, Artefact]) -> None:
    told: list[CascadeCounts] = []
    made = estimator(
        cascade_of(models, "detector", "top_down", "refiner"),
        settings=CascadeSettings(refine_below=0.4),  # the tiny model is as sure as 0.5
        watch=CascadeWatch(count=told.append),
    )
    made.estimate([frame(TWO)])
    made.estimate([frame({(60, 40): 255, (90, 44): 255})])
    assert [(one.refined, one.spared) for one in told] == [(0, 2), (2, 0)]


class SlowClock(ManualClock):
    """A tenth of a second passes at each reading."""

    def monotonic(self) -> float:
        self.advance(0.1)
        return super().monotonic()


def test_what_is_over_the_time_budget_is_left_and_counted(models: dict[str, Artefact]) -> None:
    told: list[CascadeCounts] = []
    made = estimator(
        cascade_of(models, "detector", "top_down", "refiner"),
        settings=CascadeSettings(refine_budget_seconds=0.05),
        watch=CascadeWatch(count=told.append),
        clock=SlowClock(),
    )
    for index in range(2):
        (found,) = made.estimate([frame(TWO, index)])
        assert len(found.poses) == 2
    # One to learn what it costs: more than there is time for.
    assert [(one.refined, one.over_budget) for one in told] == [(1, 1), (0, 2)]


def test_engines_open_with_prepare_and_are_all_named(cascade: CascadeEstimator) -> None:
    assert opened(cascade) == []
    assert cascade.prepare(WIDTH, HEIGHT).model == "tiny_detector"
    assert opened(cascade) == ["tiny_detector", "tiny_top_down"]


def test_a_closed_cascade_says_so(cascade: CascadeEstimator) -> None:
    cascade.close()
    cascade.close()
    with pytest.raises(EngineError, match="closed"):
        cascade.estimate([frame(TWO)])


def test_carrying_needs_a_model_that_finds_people_again(models: dict[str, Artefact]) -> None:
    with pytest.raises(ConfigError, match="no top-down model"):
        estimator(
            cascade_of(models, "one_pass", "refiner"), settings=CascadeSettings(detect_every=2)
        )


def test_not_a_number_is_no_pose(models: dict[str, Artefact]) -> None:
    def opens(artefact: Artefact) -> EngineFactory:
        if artefact.manifest.stage == "detector":
            return opener(artefact)

        def make_engine(canvas: tuple[int, int]) -> Engine:
            return BrokenEngine(opener(artefact)(canvas), [])

        return make_engine

    made = estimator(cascade_of(models, "detector", "top_down"), opens=opens)
    with pytest.raises(EngineError, match="NaN or infinity for 2 of 2 people"):
        made.estimate([frame(TWO)])


def stages_of(times: Sequence[tuple[str, float]]) -> list[str]:
    return [stage for stage, _ in times]


def test_each_stage_tells_its_time(models: dict[str, Artefact], tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    made = estimator(
        cascade_of(models, "detector", "top_down", "refiner"),
        watch=CascadeWatch(observe=lambda stage, seconds: told.append((stage, seconds))),
        clock=SlowClock(),
    )
    made.estimate([frame(TWO)])
    expected = ["pre", "infer", "post", "crop", "pose", "crop", "refine"]
    assert stages_of(told) == expected
    assert all(seconds > 0 for _, seconds in told)


def test_whoever_is_doubtful_is_carried_on_but_not_told(models: dict[str, Artefact]) -> None:
    told: list[CascadeCounts] = []
    made = estimator(
        cascade_of(models, "detector", "top_down"),
        settings=CascadeSettings(detect_every=3),
        watch=CascadeWatch(count=told.append),
    )
    doubtful = {(40, 44): 165}  # box 0.29 times confidence 0.5: a person has 0.2 or more
    found = [made.estimate([frame(doubtful, index)])[0].poses for index in range(2)]
    assert found == [(), ()]
    assert [(one.detected, one.carried) for one in told] == [(1, 0), (0, 1)]


def test_carried_boxes_are_as_large_as_those_searched() -> None:
    streams = FollowedStreams(detect_every=9)
    first, second = frame(TWO, 0), frame(TWO, 1)
    boxes = np.array([[10, 5, 90, 90]], np.float32)
    points = np.linspace([20, 20], [80, 80], 17).astype(np.float32)
    sure = np.ones(17, np.float32)
    table = np.column_stack([points, sure])[None].astype(np.float32)
    scores = np.array([0.8], np.float32)
    streams.follow(first, PeopleSoFar(boxes, scores, table, scores), [Pose(points, sure, 0.8)])
    carried = streams.carried(second)
    np.testing.assert_allclose(carried.boxes_px, boxes, atol=1e-3)
    assert carried.box_scores.tolist() == pytest.approx([0.8])
    assert not streams.is_due(second)


@pytest.mark.parametrize(("score", "due"), [(0.6, False), (0.5, True)])
def test_whoever_is_being_lost_is_searched_for_in_the_next_frame(
    score: float, *, due: bool
) -> None:
    streams = FollowedStreams(detect_every=9)
    points, sure = np.linspace([20, 20], [80, 80], 17).astype(np.float32), np.ones(17, np.float32)
    table = np.column_stack([points, sure])[None].astype(np.float32)
    pose = Pose(points, sure, 0.8)
    first = np.array([0.8], np.float32)
    boxes = np.array([[10, 5, 90, 90]], np.float32)
    streams.follow(frame(TWO, 0), PeopleSoFar(boxes, first, table, first), [pose])
    carried = streams.carried(frame(TWO, 1))
    now = replace(carried, poses=table, scores=np.array([score], np.float32))
    streams.follow(frame(TWO, 1), now, [pose])
    assert streams.is_due(frame(TWO, 2)) is due
