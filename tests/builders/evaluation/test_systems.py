from pathlib import Path

import pytest

from builders.evaluation.labels import LabelledSet, Labels
from builders.evaluation.systems import (
    AP_MIN_SCORE,
    CASCADE_MIN_SCORE,
    SystemChoice,
    open_system,
    parse_system,
    weak_models,
)
from engines.artefact import Artefact
from engines.cascade.models import find_cascade
from stream.errors import ConfigError
from stream.skeleton import COCO_17
from tests.tiny_model import draw_people, score_of


@pytest.mark.parametrize(
    ("models", "boxes", "expected"),
    [
        ("a", None, (("a",), None)),
        ("a + b", None, (("a", "b"), None)),
        ("truth+a", None, (("a",), "truth")),
        ("truth+a+b", "truth", (("a", "b"), "truth")),
        ("truth,a", None, (("a",), "truth")),
        ("a", "x.json", (("a",), "x.json")),
        ("a", "truth", (("a",), "truth")),
    ],
)
def test_truth_in_front_of_a_cascade_is_the_same_as_boxes_from_the_truth(
    models: str, boxes: str | None, expected: tuple[tuple[str, ...], str | None]
) -> None:
    assert parse_system(models, boxes) == expected


@pytest.mark.parametrize("models", ["", "a++b", "+a", "truth", "a+truth", "truth+truth"])
def test_what_is_no_cascade_is_refused(models: str) -> None:
    with pytest.raises(ConfigError, match=r"expected|stands first"):
        parse_system(models, None)


@pytest.mark.parametrize(
    ("models", "least"),
    [
        ("smpr", [AP_MIN_SCORE]),
        ("smpr+posefix+scoring_net", [AP_MIN_SCORE, 0, 0]),
        ("person_detector+graph_pcnn+scoring_net", [CASCADE_MIN_SCORE, 0, 0]),
    ],
)
def test_average_precision_sees_weak_people(models: str, least: list[float]) -> None:
    weak = weak_models(find_cascade(models).artefacts)
    assert [artefact.manifest.thresholds.min_score for artefact in weak] == least


@pytest.mark.parametrize(("weak", "seen"), [(True, [240, 140]), (False, [240])])
def test_people_are_those_of_average_precision_or_those_of_a_run(
    tiny_artefact: Artefact, *, weak: bool, seen: list[int]
) -> None:
    picture = draw_people(128, 96, {(30, 40): 240, (90, 50): 140})
    labels = Labels(LabelledSet(Path("labels.json"), Path()), (), (), COCO_17)
    choice = SystemChoice((str(tiny_artefact.folder),), weak=weak)
    with open_system(choice, labels) as system:
        assert system.people is not None
        _, scores = system.people(0, picture)
    assert scores.tolist() == pytest.approx([score_of(grey) for grey in seen], abs=0.02)


@pytest.mark.parametrize(
    "choice",
    [
        SystemChoice(("smpr", "scoring_net"), flip=True),
        SystemChoice(("graph_pcnn", "scoring_net"), boxes="truth"),
    ],
)
def test_a_scorer_is_evaluated_only_as_it_runs(choice: SystemChoice) -> None:
    labels = Labels(LabelledSet(Path("labels.json"), Path()), (), (), COCO_17)
    with (
        pytest.raises(ConfigError, match="a scorer is evaluated as it runs"),
        open_system(choice, labels),
    ):
        pass
