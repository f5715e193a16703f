"""The command line itself; what `run` does is in `test_run_command.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engines.artefact import Artefact
from engines.zoo_models import find_model
from stream.commands.app import app
from tests.command_line import REPOSITORY, assert_one_line_error, environment, posestream

COMMANDS = [(), ("run",), ("models",), ("models", "list"), ("models", "show"), ("doctor",)]
COMMANDS += [("camera",), ("batch",), ("batch", "status"), ("batch", "retry")]
HEAVY = {"numpy", "av", "cv2", "pydantic", "structlog", "scipy", "redis", "openvino", "onnxruntime"}


@pytest.mark.parametrize("command", [*COMMANDS, ("version",)])
def test_every_command_explains_itself_with_an_example(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])

    assert result.exit_code == 0
    assert "posestream " in result.output.split("Options")[-1], "an example comes last"


def test_help_imports_nothing_that_takes_time() -> None:
    script = (
        "import sys\n"
        "from stream.__main__ import main\n"
        "sys.argv = ['posestream', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    sys.stderr.write(' '.join(sys.modules))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = {name.split(".")[0] for name in finished.stderr.split()}
    assert "typer" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_the_version_is_a_result_on_standard_output(words: list[str]) -> None:
    result = CliRunner().invoke(app, words)

    assert result.exit_code == 0
    assert result.stdout.startswith("posestream 0.")


@pytest.mark.parametrize(
    "words",
    [
        ["walk"],
        ["run"],
        ["run", "x.mp4", "--colour", "red"],
        ["run", "x.mp4", "--engine", "steam"],
        ["run", "x.mp4", "--stride", "0"],
        ["run", "x.mp4", "--max-frames", "0"],
        ["run", "x.mp4", "--metrics-port", "70000"],
        ["models", "show"],
    ],
)
def test_wrong_use_has_exit_code_2_and_a_message_on_standard_error(words: list[str]) -> None:
    result = CliRunner().invoke(app, words)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage:" in result.stderr


def test_models_are_listed_as_a_table_and_as_json(tmp_path: Path) -> None:
    table = posestream("models", "list", cwd=tmp_path)
    listed = posestream("models", "list", "--json", cwd=tmp_path)

    assert table.returncode == listed.returncode == 0
    names = [model["name"] for model in json.loads(listed.stdout)]
    assert all(name in table.stdout for name in names)


def test_a_model_is_shown_by_its_folder(tmp_path: Path, tiny_artefact: Artefact) -> None:
    folder = tiny_artefact.folder
    table = posestream("models", "show", folder, cwd=tmp_path)
    shown = posestream("models", "show", folder, "--json", cwd=tmp_path)

    assert table.returncode == shown.returncode == 0
    assert "bright squares are people" in table.stdout
    assert json.loads(shown.stdout)["name"] == "tiny"


def test_a_shipped_model_is_shown_by_its_name(tmp_path: Path) -> None:
    table = posestream("models", "show", "bottom_up", cwd=tmp_path)
    shown = posestream("models", "show", "bottom_up", "--json", cwd=tmp_path)

    assert table.returncode == shown.returncode == 0
    manifest = json.loads((find_model("bottom_up").folder / "manifest.json").read_text("utf-8"))
    assert json.loads(shown.stdout)["onnx_sha256"] == manifest["onnx_sha256"]
    for words in ("bottom_up", "coco_17", "Apache-2.0", f"{manifest['thresholds']['min_score']:g}"):
        assert words in table.stdout


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_unknown_model_is_not_shown_but_the_nearest_name_is(
    form: tuple[str, ...], tmp_path: Path
) -> None:
    finished = posestream("models", "show", "botom_up", *form, cwd=tmp_path)
    assert_one_line_error(finished, 1, "botom_up", "did you mean", "bottom_up")
