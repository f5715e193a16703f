"""What a user gets: the wheel, installed into an empty environment away from this tree."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.source_tree import PACKAGES, REPOSITORY, tracked_files

pytestmark = pytest.mark.slow

MAX_SITE_PACKAGES_MB = 700
NEVER_INSTALLED = {"torch", "onnx", "onnxruntime", "matplotlib", "pytest", "tensorrt"}
"""Distributions that the run-time set must do without."""


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with nothing but posestream and what it needs to run."""

    folder: Path

    @property
    def site_packages(self) -> Path:
        """Where pip put things."""
        [found] = self.folder.glob("lib/python*/site-packages")
        return found

    def run(self, program: str, *arguments: str | Path) -> str:
        """Output of a program of this environment, started far from the repository."""
        command = [self.folder / "bin" / program, *arguments]
        return _run(command, cwd=self.folder.parent)


def _run(command: Sequence[str | Path], cwd: Path) -> str:
    """Output of a command that must succeed; nothing of this test's environment reaches it."""
    kept = {name: text for name, text in os.environ.items() if name.startswith(("PIP_", "HOME"))}
    environment = {**kept, "PATH": os.defpath, "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (
        f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools would pack what an older build left in the tree."""
    copy, built = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for path in tracked_files("--others", "--exclude-standard"):
        target = copy / path.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", built, copy], cwd=built)
    [found] = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a new environment, with its run-time requirements and no extra."""
    folder = tmp_path_factory.mktemp("user") / "environment"
    venv.create(folder, with_pip=True, symlinks=True)
    made = Installed(folder)
    made.run("pip", "install", "-q", "-c", REPOSITORY / "constraints.txt", wheel)
    return made


@pytest.fixture(scope="module")
def demo_installed(wheel: Path, installed: Installed) -> Installed:
    """The same environment with the demo's clip."""
    clip = f"posestream[demo] @ {wheel.as_uri()}"
    installed.run("pip", "install", "-q", "-c", REPOSITORY / "constraints.txt", clip)
    return installed


def test_the_wheel_holds_exactly_the_files_of_the_three_packages(wheel: Path) -> None:
    tracked = (
        path.relative_to(REPOSITORY) for path in tracked_files("--others", "--exclude-standard")
    )
    expected = {path.as_posix() for path in tracked if path.parts[0] in PACKAGES}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == expected
    assert {"stream/py.typed", "engines/py.typed", "builders/py.typed"} <= packed
    assert any(name.startswith("stream/") and name.endswith(".schema.json") for name in packed)
    assert any(name.startswith("engines/zoo/") and name.endswith("/model.onnx") for name in packed)


def test_the_wheel_carries_licence_and_notice(wheel: Path) -> None:
    names = {name.rsplit("/", 1)[-1] for name in zipfile.ZipFile(wheel).namelist()}
    assert {"LICENSE", "NOTICE"} <= names


def test_the_run_time_set_is_small_and_has_no_torch(installed: Installed) -> None:
    found = {
        path.name.split("-")[0].lower() for path in installed.site_packages.glob("*.dist-info")
    }
    assert found & NEVER_INSTALLED == set()
    sizes = (path.stat().st_size for path in installed.site_packages.rglob("*") if path.is_file())
    assert sum(sizes) / 1e6 <= MAX_SITE_PACKAGES_MB


def test_nothing_else_becomes_importable(installed: Installed) -> None:
    ours = {
        path.name for path in installed.site_packages.glob("*") if path.name in _repository_names()
    }
    assert ours == set(PACKAGES)


def _repository_names() -> set[str]:
    return {path.relative_to(REPOSITORY).parts[0] for path in tracked_files()}


def test_the_command_explains_itself(installed: Installed) -> None:
    assert "run" in installed.run("posestream", "--help")


def test_the_shipped_models_are_found(installed: Installed) -> None:
    shipped = [path.parent.name for path in (REPOSITORY / "engines/zoo").glob("*/manifest.json")]
    listed = installed.run("posestream", "models", "list")
    assert shipped
    assert [name for name in shipped if name not in listed] == []


def test_the_demo_runs(demo_installed: Installed, tmp_path: Path) -> None:
    output = tmp_path / "demo.jsonl"
    demo_installed.run("posestream", "run", "demo", "--max-frames", "20", "--output", output)
    assert len(output.read_text("utf-8").splitlines()) == 20
