"""`posestream certify` and `posestream bench`, as users call them."""

import json
from pathlib import Path

import cv2
import pytest

from engines.artefact import Artefact
from engines.certification.picture_set import drawn_set
from tests.command_line import assert_one_line_error, posestream
from tests.tiny_model import draw_people


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tiny model takes for people."""
    folder = tmp_path_factory.mktemp("pictures")
    for index, grey in enumerate((250, 230, 210)):
        picture = draw_people(128, 96, {(30, 40): grey, (80, 50): grey - 10})
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    return folder


def test_certify_measures_and_keeps(
    tiny_artefact: Artefact, pictures: Path, tmp_path: Path
) -> None:
    words = ("--precision", "fp32", "--pictures", pictures, "--cache", tmp_path, "--json")
    finished = posestream("certify", tiny_artefact.folder, *words, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    certificate = json.loads(finished.stdout)
    assert certificate["verdict"] == "passed"
    assert certificate["agreement"]["people"] == 6
    [kept] = tmp_path.rglob("certificates/*/*.json")
    assert json.loads(kept.read_text()) == certificate


def test_bench_pairs_two_engines_and_checks_them_first(
    tiny_artefact: Artefact, pictures: Path, tmp_path: Path
) -> None:
    words = ("--compare", "openvino:fp32", "onnxruntime", "--batch", "1,2", "--seconds", "0.1")
    finished = posestream(
        "bench", tiny_artefact.folder, *words, "--pictures", pictures, "--json", cwd=tmp_path
    )
    assert finished.returncode == 0, finished.stderr
    report = json.loads(finished.stdout)
    assert [one["name"] for one in report["engines"]] == [
        "openvino fp32 batch 1",
        "openvino fp32 batch 2",
        "onnxruntime fp32 batch 1",
        "onnxruntime fp32 batch 2",
    ]
    for one in report["engines"]:
        assert one["verdict"] == "passed"
        assert one["p50_ms"] <= one["p95_ms"] <= one["p99_ms"]
        assert one["images_per_second"] > 0
    assert len(report["speed_ups"]) == 6


@pytest.mark.parametrize("words", ["openvino:fp7", "tensorflow"])
def test_an_engine_that_there_is_not_is_refused(
    tiny_artefact: Artefact, words: str, tmp_path: Path
) -> None:
    finished = posestream(
        "bench", tiny_artefact.folder, "--compare", words, "openvino", cwd=tmp_path
    )
    assert_one_line_error(finished, 2, f"engine '{words}': expected one of auto, openvino")


def test_a_folder_without_pictures_is_refused(tiny_artefact: Artefact, tmp_path: Path) -> None:
    finished = posestream("certify", tiny_artefact.folder, "--pictures", tmp_path, cwd=tmp_path)
    assert_one_line_error(finished, 2, "no picture there")


def test_the_drawn_people_come_along() -> None:
    pictures = drawn_set()
    assert len(pictures.pictures) == 8
    assert pictures.on_canvas((512, 288)).shape == (8, 288, 512, 3)
