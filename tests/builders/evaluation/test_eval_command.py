"""The whole way, with the tiny model whose right answers are known."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from builders.evaluation.eval_command import app
from engines.artefact import Artefact
from stream.errors import ArtefactError, ConfigError, SourceError
from tests.builders.evaluation.labelled import annotation, coco
from tests.tiny_detector import REACH_X, REACH_Y, write_tiny_detector
from tests.tiny_model import OFFSETS_PX, draw_people, pose_at
from tests.tiny_top_down import CROP, write_tiny_top_down

FIGURES = [
    "AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL",
    "people", "pictures", "seconds",
]  # fmt: skip
WIDTH, HEIGHT = 128, 96
HERE, THERE = (40, 40), (90, 60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Labels and three pictures: two people, one person, nobody."""
    people = [(1, HERE, 250), (1, THERE, 230), (2, THERE, 240)]
    records = []
    for number, (picture, (x, y), grey) in enumerate(people, start=1):
        keypoints = pose_at(x, y, grey)
        keypoints[:, 2] = 2
        records.append(annotation(number, picture, keypoints))
    content = coco(records)
    for picture in content["images"]:
        picture |= {"width": WIDTH, "height": HEIGHT}
        drawn = {at: grey for n, at, grey in people if n == picture["id"]}
        pixels = draw_people(WIDTH, HEIGHT, drawn)
        cv2.imwrite(str(tmp_path / picture["file_name"]), pixels)
    (tmp_path / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def run(folder: Path, model: object, *options: object) -> Result:
    places = ("--annotations", folder / "labels.json", "--images", folder)
    arguments = [str(argument) for argument in (model, *places, *options)]
    return CliRunner().invoke(app, arguments)


def evaluated(folder: Path, model: object, *options: object) -> dict[str, Any]:
    out = folder / "out.json"
    result = run(folder, model, "--json", out, *options)
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_model_that_is_right_reaches_ap_1_with_exactly_the_promised_keys(
    folder: Path, tiny_artefact: Artefact, engine: str
) -> None:
    options = ("--engine", engine, "--precision", "fp32", "--threads", 1)
    figures = evaluated(folder, tiny_artefact.folder, *options)
    assert list(figures) == FIGURES
    assert figures["AP"] == pytest.approx(1)
    assert (figures["people"], figures["pictures"]) == (3, 3)
    assert figures["seconds"] > 0


def test_sections_come_only_when_asked_for(folder: Path, tiny_artefact: Artefact) -> None:
    figures = evaluated(folder, tiny_artefact.folder, "--errors", "--crowd", "--pck", "box")
    assert list(figures) == [*FIGURES, "crowd", "pck", "errors"]
    assert figures["errors"]["total"]["good"] == 3 * 17
    assert figures["pck"]["total"]["PCK@0.1"] == 1
    assert figures["pck"]["scale"] == "box"


def test_the_plot_needs_no_section_and_tables_are_shown(
    folder: Path, tiny_artefact: Artefact
) -> None:
    plot = folder / "errors.png"
    assert list(evaluated(folder, tiny_artefact.folder, "--plot", plot)) == FIGURES
    assert plot.read_bytes().startswith(b"\x89PNG")
    shown = run(folder, tiny_artefact.folder, "--errors").output
    for words in ("tiny on openvino", "AP50", "labelled joints of people found", "worst pictures"):
        assert words in shown
    assert run(folder, tiny_artefact.folder, "--quiet").output == ""


def test_the_flip_test_shows_each_picture_twice(folder: Path, tiny_artefact: Artefact) -> None:
    # The tiny model draws the same grid for a mirrored square: its mirror image is another pose.
    plain = evaluated(folder, tiny_artefact.folder)
    flipped = evaluated(folder, tiny_artefact.folder, "--flip")
    assert flipped["AP"] < plain["AP"]


@pytest.mark.parametrize(
    ("model", "options", "kind", "message"),
    [
        ("nothing", (), ArtefactError, "no model 'nothing'"),
        ("tiny,", (), ConfigError, "names with one . between"),
        ("truth", (), ConfigError, "`truth` stands first, a top-down model follows"),
        ("truth+tiny", ("--boxes", "x.json"), ConfigError, "leave out --boxes"),
        ("truth+tiny", (), ConfigError, r"cannot evaluate tiny \(one_pass\) with boxes from truth"),
        ("tiny", ("--json", "no/where.json"), ConfigError, "no folder no; make it first"),
        ("tiny", ("--images", "elsewhere"), SourceError, r"3 of 3 pictures missing: 1\.png"),
        ("tiny", ("--annotations", "no.json"), ConfigError, r"labels no\.json: cannot be read"),
        ("tiny", ("--pck", "head"), ConfigError, "the head of nobody is known"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_with_words(
    folder: Path,
    tiny_artefact: Artefact,
    model: str,
    options: tuple[str, ...],
    kind: type[Exception],
    message: str,
) -> None:
    result = run(folder, model.replace("tiny", str(tiny_artefact.folder)), *options)
    assert isinstance(result.exception, kind)
    with pytest.raises(kind, match=message):
        raise result.exception


def test_labels_of_another_skeleton_are_refused(folder: Path, tiny_artefact: Artefact) -> None:
    content = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    del content["categories"][0]["keypoints"]
    for record in content["annotations"]:
        record["keypoints"] = np.array(record["keypoints"])[: 3 * 14].tolist()
    (folder / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    result = run(folder, tiny_artefact.folder)
    assert isinstance(result.exception, ConfigError)
    assert "model tiny gives 17 joints (coco_17), labels" in str(result.exception)


def test_evaluating_needs_neither_torch_nor_scipy(folder: Path, tiny_artefact: Artefact) -> None:
    program = (
        "import sys\n"
        "from builders.evaluation.eval_command import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "assert not {'torch', 'scipy', 'onnx'} & set(sys.modules), 'too much'\n"
    )
    places = ["--annotations", str(folder / "labels.json"), "--images", str(folder)]
    options = [*places, "--errors", "--plot", str(folder / "errors.png"), "--quiet"]
    subprocess.run([sys.executable, "-c", program, str(tiny_artefact.folder), *options], check=True)


@pytest.fixture(scope="module")
def tiny_detector(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return write_tiny_detector(tmp_path_factory.mktemp("models") / "tiny_detector")


def with_boxes_of_the_detector(folder: Path) -> None:
    """Gives every labelled person the box that the tiny detector is right to find."""
    content = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    for record, (x, y) in zip(content["annotations"], (HERE, THERE, THERE), strict=True):
        # COCO counts from the corner of the picture, we from the middle of its first pixel.
        left, top = max(x - REACH_X + 0.5, 0), max(y - REACH_Y + 0.5, 0)
        right, bottom = min(x + REACH_X + 0.5, WIDTH), min(y + REACH_Y + 0.5, HEIGHT)
        record["bbox"] = [left, top, right - left, bottom - top]
        del record["keypoints"]
    (folder / "labels.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_detector_is_measured_by_its_boxes(folder: Path, tiny_detector: Artefact) -> None:
    with_boxes_of_the_detector(folder)
    figures = evaluated(folder, tiny_detector.folder)
    assert list(figures) == FIGURES
    assert figures["AP"] == pytest.approx(1)
    assert (figures["people"], figures["pictures"]) == (3, 3)


@pytest.mark.parametrize("option", ["--errors", "--crowd", "--flip"])
def test_a_detector_has_no_joints_to_tell_of(
    folder: Path, tiny_detector: Artefact, option: str
) -> None:
    result = run(folder, tiny_detector.folder, option)
    assert isinstance(result.exception, ConfigError)
    assert "poses" in str(result.exception)


@pytest.fixture(scope="module")
def tiny_top_down(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return write_tiny_top_down(tmp_path_factory.mktemp("models") / "tiny_top_down")


@pytest.fixture
def cropped(folder: Path) -> Path:
    """The labels with boxes that are cropped at their own size, also as a file of results."""
    content = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    results = []
    for record, (x, y) in zip(content["annotations"], (HERE, THERE, THERE), strict=True):
        record["bbox"] = [x - 38.4, y - 51.2, 76.8, 102.4]
        results.append({"image_id": record["image_id"], "bbox": record["bbox"], "score": 0.9})
    (folder / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "boxes.json").write_text(json.dumps(results), encoding="utf-8")
    return folder


@pytest.mark.parametrize("boxes", ["truth+", "--boxes truth", "--boxes FILE"])
def test_a_top_down_model_takes_its_boxes_from_the_truth_or_a_file(
    cropped: Path, tiny_top_down: Artefact, boxes: str
) -> None:
    option = boxes.replace("FILE", str(cropped / "boxes.json")).split()
    if boxes == "truth+":
        figures = evaluated(cropped, f"truth+{tiny_top_down.folder}")
    else:
        figures = evaluated(cropped, tiny_top_down.folder, *option)
    assert list(figures) == FIGURES
    assert figures["AP"] == pytest.approx(1)


@pytest.mark.parametrize("as_option", [True, False])
def test_a_cascade_begins_with_a_detector_however_it_is_named(
    folder: Path, tiny_detector: Artefact, tiny_top_down: Artefact, *, as_option: bool
) -> None:
    # The detector's boxes are smaller than the crop, so the pose shrinks by as much.
    shrink = max(2 * REACH_X, 2 * REACH_Y * CROP[0] / CROP[1]) * 1.25 / CROP[0]
    content = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    for record, (x, y) in zip(content["annotations"], (HERE, THERE, THERE), strict=True):
        small = np.column_stack([OFFSETS_PX * shrink + np.array([x, y]), np.full(17, 2)])
        record["keypoints"] = small.ravel().tolist()
    (folder / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    if as_option:
        figures = evaluated(folder, tiny_top_down.folder, "--boxes", tiny_detector.folder)
    else:
        figures = evaluated(folder, f"{tiny_detector.folder}+{tiny_top_down.folder}")
    assert figures["AP75"] == pytest.approx(1)


def test_poses_may_give_the_boxes_but_not_with_the_flip_test(
    folder: Path, tiny_artefact: Artefact, tiny_top_down: Artefact
) -> None:
    cascade = f"{tiny_artefact.folder}+{tiny_top_down.folder}"
    assert list(evaluated(folder, cascade)) == FIGURES
    refused = run(folder, cascade, "--flip")
    assert isinstance(refused.exception, ConfigError)
    assert "no flip test of boxes around the poses" in str(refused.exception)


def test_a_top_down_model_without_boxes_is_refused(cropped: Path, tiny_top_down: Artefact) -> None:
    result = run(cropped, tiny_top_down.folder)
    assert isinstance(result.exception, ConfigError)
    assert "cannot evaluate tiny_top_down (top_down): expected" in str(result.exception)
