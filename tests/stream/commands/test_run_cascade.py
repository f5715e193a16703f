"""`posestream run`, `batch` and the daemon's engine with several models behind one another."""

from pathlib import Path
from typing import Any

import pytest

from engines.artefact import Artefact
from stream.clock import SystemClock
from stream.commands.engine_worker import model_opener
from stream.errors import ConfigError
from stream.pixel_copies import CopyStep
from stream.site_file.site_model import CascadeOptions, EngineSettings
from tests.command_line import posestream, read_lines
from tests.drawn_clips import person_at
from tests.tiny_cascade import frame, tiny_models

ENGINE = ("--engine", "onnxruntime")
"""The one that is the reference: tiny models tell ties apart by the last bit."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artefact]:
    return tiny_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def cascade(models: dict[str, Artefact]) -> str:
    stages = ("detector", "top_down", "refiner")
    return "+".join(str(models[stage].folder) for stage in stages)


def assert_walks(lines: list[dict[str, Any]]) -> None:
    """One person in every frame, in whose middle the drawn spot is.

    The tiny pose is as large as its crop, and the next crop as the pose: ids do not stay for it.
    """
    for index, line in enumerate(lines):
        assert line["model"] == "tiny_detector+tiny_top_down+tiny_refiner"
        [pose] = line["poses"]
        xs, ys = ([point[axis] for point in pose["keypoints"]] for axis in (0, 1))
        middle = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
        assert middle == pytest.approx(person_at(index), abs=4)


@pytest.mark.slow
@pytest.mark.parametrize("detect_every", [1, 4])
def test_a_clip_is_run_through_a_cascade(
    clip: Path, cascade: str, tmp_path: Path, detect_every: int
) -> None:
    options = ("--detect-every", detect_every, "--output", "walk.jsonl")
    finished = posestream("run", clip, "--model", cascade, *ENGINE, *options, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    for word in ("tiny_detector at", "tiny_top_down at 96x128", "pose p50", "refine p50"):
        assert word in finished.stderr
    lines = read_lines(tmp_path / "walk.jsonl")
    assert len(lines) == 30
    assert_walks(lines)


@pytest.mark.slow
def test_files_are_worked_on_with_a_cascade_and_goes_on_with_the_same_only(
    clip: Path, cascade: str, tmp_path: Path
) -> None:
    options = ("-o", "out", "--model", cascade, *ENGINE, "--quiet")
    finished = posestream("batch", clip, *options, "--detect-every", 2, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert_walks(read_lines(next((tmp_path / "out").glob("walk*.jsonl"))))
    refused = posestream("batch", clip, *options, cwd=tmp_path)
    assert refused.returncode != 0
    assert "detect_every 2, not 1" in " ".join(refused.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("bottom_up+bottom_up", "looks at whole frames stands first"),
        ("bottom_up+", "one + between"),
    ],
)
def test_models_that_do_not_go_together_are_wrong_use(
    clip: Path, model: str, words: str, tmp_path: Path
) -> None:
    finished = posestream("run", clip, "--model", model, cwd=tmp_path)
    assert finished.returncode == 2
    assert words in " ".join(finished.stderr.split())
    assert not list(tmp_path.glob("*.jsonl"))


def test_the_daemons_engine_opens_a_cascade_and_counts_its_work(cascade: str) -> None:
    told: list[str] = []
    wish = EngineSettings(
        name="onnxruntime", threads=1, batch=2, cascade=CascadeOptions(detect_every=2)
    )
    opened = model_opener(wish, SystemClock())(cascade, lambda stage, _: told.append(stage))
    assert opened.fields["canvas"].endswith("+96x128")
    frames = [frame({(40, 44): 255}, index) for index in range(2)]
    found = opened.estimator.estimate(frames)
    assert [len(people.poses) for people in found] == [1, 1]
    taken = opened.take_counts()
    assert taken == {"detected": 1, "carried": 1, "refined": 2, "over_budget": 0, "spared": 0}
    assert opened.take_counts() == {}
    # One search, then two people in crops for the two models behind it.
    assert opened.traffic.pictures == {CopyStep.RENDER: 1 + 2 + 2}
    assert len(opened.traffic.result_bytes) == 3
    assert set(told) == {"pre", "infer", "post", "crop", "pose", "refine"}
    opened.estimator.close()


def test_a_site_may_not_carry_people_where_no_model_finds_them_again(
    models: dict[str, Artefact],
) -> None:
    name = f"{models['one_pass'].folder}+{models['refiner'].folder}"
    wish = EngineSettings(threads=1, cascade=CascadeOptions(detect_every=2))
    with pytest.raises(ConfigError, match="no top-down model"):
        model_opener(wish, SystemClock())(name, lambda _, __: None)
