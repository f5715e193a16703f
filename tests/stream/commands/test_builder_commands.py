"""Commands of `builders`, which `stream` knows by name only."""

import subprocess
import sys
from pathlib import Path

import pytest

from stream.commands.builder_commands import BUILDER_COMMANDS, BuilderCommand, load_program
from tests.command_line import REPOSITORY, environment, posestream


@pytest.mark.slow
@pytest.mark.parametrize("command", BUILDER_COMMANDS, ids=lambda command: " ".join(command.words))
def test_every_one_explains_itself_with_an_example(command: BuilderCommand) -> None:
    finished = posestream(*command.words, "-h", cwd=REPOSITORY)

    title = f"posestream {' '.join(command.words)}"
    assert finished.returncode == 0
    assert f"Usage: {title} " in finished.stdout
    assert title in finished.stdout.split("Options")[-1], "an example comes last"


def test_a_missing_extra_is_named_with_what_to_install() -> None:
    """Torch must not be needed until one of these commands is called."""
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from stream.__main__ import main\n"
        "sys.argv = ['posestream', 'train', 'x.yaml', '--data', '.', '--run', '.']\n"
        "main()\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 2
    assert finished.stderr == (
        "posestream: posestream train: the package torch is not installed; "
        "install it with: pip install 'posestream[train]'\n"
    )


def test_a_mistake_of_our_own_is_not_called_a_missing_extra() -> None:
    wrong = BuilderCommand(("x",), "builders.no_such_module:app", "train", "")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load_program(wrong)


@pytest.mark.slow
def test_its_errors_and_wrong_use_have_the_exit_codes_of_all_commands(tmp_path: Path) -> None:
    options = ("--data", tmp_path, "--run", tmp_path / "run")
    no_recipe = posestream("train", tmp_path / "none.yaml", *options, cwd=tmp_path)
    wrong_use = posestream("train", "x.yaml", "--colour", "red", *options, cwd=tmp_path)

    assert no_recipe.returncode == 2
    assert "none.yaml: No such file" in no_recipe.stderr
    assert no_recipe.stderr.count("\n") == 1
    assert wrong_use.returncode == 2
    assert "Usage: posestream train " in wrong_use.stderr
