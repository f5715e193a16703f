from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from builders.evaluation.__main__ import main
from builders.evaluation.people import People, on_pictures, people_of, predict_with, read_rgb
from builders.evaluation.report import (
    Report,
    System,
    as_markdown,
    clip_figures,
    evaluate_systems,
    our_system,
)
from builders.evaluation.systems import AP_MIN_SCORE, with_weak_people
from engines.artefact import Artefact
from stream.errors import ConfigError, SourceError
from stream.frame import Frame
from stream.picture import picture_from_rgb
from stream.pose import FramePoses, Pose

STORE = "store_aisle_480x270_h264"


class OnePersonEstimator:
    """Finds one person in every frame, in its middle."""

    model = "one_person"
    batch_size = 1

    def estimate(self, frames: Sequence[Frame]) -> list[FramePoses]:
        return [FramePoses(f.stream, f.epoch, f.index, (self.person(f),)) for f in frames]

    def person(self, frame: Frame) -> Pose:
        middle = np.array([frame.picture.width / 2, frame.picture.height / 2], np.float32)
        return Pose(np.tile(middle, (17, 1)), np.full(17, 0.5, np.float32), 0.4)

    def close(self) -> None:
        """Holds nothing."""


def nobody(_: object) -> People:
    return np.zeros((0, 17, 3), np.float32), np.zeros(0, np.float32)


def test_an_estimators_poses_become_arrays() -> None:
    keypoints, scores = predict_with(OnePersonEstimator())(np.zeros((40, 60, 3), np.uint8))
    np.testing.assert_allclose(keypoints, np.full((1, 17, 3), [30, 20, 0.5]))
    np.testing.assert_allclose(scores, [0.4])


def test_no_poses_become_empty_arrays() -> None:
    assert people_of(())[0].shape == (0, 17, 3)


def test_what_sees_rgb_can_be_shown_decoded_pictures() -> None:
    shapes = []

    def predict(rgb: np.ndarray) -> People:
        shapes.append(rgb.shape)
        return nobody(rgb)

    on_pictures(predict)(picture_from_rgb(np.zeros((40, 60, 3), np.uint8)))
    assert shapes == [(40, 60, 3)]


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_text("no picture", encoding="utf-8")
    with pytest.raises(SourceError, match=r"words\.jpg"):
        read_rgb(tmp_path / "words.jpg")


def test_the_tables_hold_every_system() -> None:
    report: Report = {
        "coco_kp/val": {"ours": {"AP": 0.5, "AR": 0.6}, "peer": {"AP": 0.25, "AR": 0.3}},
        "a_clip": {
            "ours": {"recall": 0.875, "false_frames": 1, "empty_frames": 25},
            "peer": {"false_frames": 0, "empty_frames": 25},
        },
    }
    lines = as_markdown(report).splitlines()
    assert lines[0] == "| set (AP / AR) | ours | peer |"
    assert lines[2] == "| coco_kp/val | 0.500 / 0.600 | 0.250 / 0.300 |"
    assert lines[-1] == "| a_clip | 0.875 / 1 of 25 | - / 0 of 25 |"


def test_a_clip_is_scored_at_the_systems_threshold_and_at_others(shared_data: Path) -> None:
    estimator = OnePersonEstimator()
    figures = clip_figures(our_system(estimator, 0.3), shared_data, STORE)
    assert figures["frames"] == 17
    assert figures["found"] == figures["found_from_0.30"]
    assert figures["found_from_0.50"] == 0


def test_a_person_missed_by_the_teacher_makes_no_false_frame(shared_data: Path) -> None:
    asked: list[object] = []

    def predict(picture: object) -> People:
        asked.append(picture)
        return nobody(picture)

    system = System("nobody", nobody, predict, 0.0)
    figures = clip_figures(system, shared_data, "one_by_one_persons_h264")
    assert (figures["frames"], figures["empty_frames"]) == (91, 23)
    assert len(asked) == 91


def test_a_folder_without_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="labelled, videos, weights"):
        evaluate_systems((), tmp_path, str)


def test_weak_people_are_kept_for_average_precision(tiny_artefact: Artefact) -> None:
    weak = with_weak_people(tiny_artefact)
    assert weak.manifest.thresholds.min_score == AP_MIN_SCORE
    assert weak.manifest.name == tiny_artefact.manifest.name


def test_an_unknown_model_ends_with_a_message(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    arguments = ["--model", "nothing", "--shared", str(tmp_path), "--json", str(tmp_path / "o")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "no model 'nothing'" in result.output
