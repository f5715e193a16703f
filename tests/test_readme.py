"""What README.md promises is run, exists, or stands in a file of this repository."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from stream.wire import result_schema
from tests.bench import readme_table
from tests.bench.marked_page import replaced
from tests.drawn_clips import write_drawn_clip
from tests.redis_server import RedisServer
from tests.source_tree import REPOSITORY

README = (REPOSITORY / "README.md").read_text("utf-8")
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)(?P<target>[^)#]+)[^)]*\)")
BY_CI = "sh fresh machine"
MAX_LINES = 160


def _blocks(info: str) -> list[str]:
    return [match["body"] for match in FENCE.finditer(README) if match["info"] == info]


def _commands() -> Iterator[str]:
    """Every line of the blocks that this file runs, without its remark."""
    for line in "".join(_blocks("sh")).splitlines():
        yield line.partition("  #")[0].strip()


def _bash(script: str) -> str:
    done = subprocess.run(["bash", "-c", script], cwd=REPOSITORY, capture_output=True, check=True)
    return done.stdout.decode()


def test_every_block_is_of_a_kind_that_a_test_knows() -> None:
    assert {match["info"] for match in FENCE.finditer(README)} == {BY_CI, "sh", "json"}


def test_the_continuous_integration_types_what_a_fresh_machine_is_told_to_type() -> None:
    assert _bash(".ci/readme_commands") == "".join(_blocks(BY_CI))
    run = (REPOSITORY / ".ci/run").read_text("utf-8")
    assert "commands=$(.ci/readme_commands)\n" in run
    assert 'bash -euxo pipefail -c "$commands"' in run


def test_what_installs_is_typed_by_the_continuous_integration_only() -> None:
    assert [command for command in _commands() if "install " in command] == []


def test_quick_and_slow_tests_together_are_all_tests() -> None:
    assert " -m pytest -q -m 'not slow'\n" in _blocks(BY_CI)[-1]
    assert "\n./check -m slow " in (REPOSITORY / ".ci/run").read_text("utf-8")


@pytest.mark.parametrize("script", ["check", ".ci/run", ".ci/readme_commands"])
def test_scripts_are_executable_and_parse(script: str) -> None:
    assert os.access(REPOSITORY / script, os.X_OK)
    _bash(f"bash -n {script}")


@pytest.mark.parametrize("target", sorted({match["target"] for match in LINK.finditer(README)}))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (REPOSITORY / target).exists()


def test_the_numbers_are_those_of_the_files() -> None:
    made = readme_table.written(README)
    assert made == README, "run: python -m tests.bench.readme_table"


def test_no_number_stands_beside_the_table_of_numbers() -> None:
    section = README.partition("## Numbers\n")[2].partition("\n## ")[0]
    prose = replaced(section, "", readme_table.NUMBERS)
    assert re.findall(r"\d", prose) == []


def test_the_explained_line_is_a_result_with_most_keypoints_left_out() -> None:
    [block] = _blocks("json")
    result = json.loads(block)
    for pose in result["poses"]:
        shown = pose["keypoints"]
        pose["keypoints"] = shown + [shown[-1]] * (17 - len(shown))
    jsonschema.validate(result, result_schema())


def test_every_field_of_the_line_is_explained() -> None:
    [block] = _blocks("json")
    result = json.loads(block)
    explained = set(re.findall(r"`(\w+)`", README))
    assert (set(result) | set(result["poses"][0])) - {"schema", "poses"} <= explained


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= MAX_LINES


@pytest.fixture(scope="module")
def user_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the README's user is: a folder with a clip."""
    folder = tmp_path_factory.mktemp("readme")
    write_drawn_clip(folder / "clip.mp4", 20)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", list(_commands()))
def test_every_command_runs(command: str, user_folder: Path, redis_server: RedisServer) -> None:
    typed = command.replace("redis://localhost:6379/0", redis_server.location())
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"}
    done = subprocess.run(
        shlex.split(typed),
        cwd=user_folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{typed}\n{done.stdout}\n{done.stderr}"
