"""`posestream bench` of several models."""

import json
from pathlib import Path

import pytest

from engines.artefact import Artefact
from tests.command_line import posestream
from tests.tiny_cascade import tiny_models


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artefact]:
    return tiny_models(tmp_path_factory.mktemp("models"))


@pytest.mark.slow
def test_a_frame_is_timed_by_the_people_in_it(models: dict[str, Artefact], tmp_path: Path) -> None:
    cascade = f"{models['detector'].folder}+{models['top_down'].folder}"
    options = ("--engine", "onnxruntime", "--people", "1,3", "--seconds", 0.1, "--json")
    finished = posestream("bench", cascade, *options, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    report = json.loads(finished.stdout)
    assert report["cascade"] == "tiny_detector+tiny_top_down"
    assert [one["engine"]["model"] for one in report["models"]] == [
        "tiny_detector",
        "tiny_top_down",
    ]
    assert [one["verdict"] for one in report["models"]] == ["passed", "passed"]
    assert [(row["people"], row["kept"]) for row in report["people"]] == [(1, 1), (3, 3)]
    assert all(row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] for row in report["people"])
    assert [(cost["people"], cost["over"]) for cost in report["cost"]] == [(3, 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--people", "one"), "people: expected numbers like 1,8,32"),
        (("--batch", "8"), "--batch is for one model"),
        (("--compare", "openvino", "onnxruntime"), "--compare is for one model"),
    ],
)
def test_what_makes_no_sense_for_several_models_is_wrong_use(
    models: dict[str, Artefact], tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    cascade = f"{models['detector'].folder}+{models['top_down'].folder}"
    finished = posestream("bench", cascade, *options, cwd=tmp_path)
    assert finished.returncode == 2
    assert words in " ".join(finished.stderr.split())
