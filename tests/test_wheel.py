"""What a user gets: the wheel, installed into an empty environment away from this tree."""

import zipfile
from pathlib import Path

import pytest

from tests.bare_environment import (
    BareEnvironment,
    build_wheel,
    new_environment,
    packable_files,
)
from tests.source_tree import PACKAGES, REPOSITORY

pytestmark = pytest.mark.slow

MAX_SITE_PACKAGES_MB = 700
NEVER_INSTALLED = {"torch", "onnx", "onnxruntime", "matplotlib", "pytest", "tensorrt"}
"""Distributions that the run-time set must do without."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    return build_wheel(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> BareEnvironment:
    """The wheel in a new environment, with its run-time requirements and no extra."""
    made = new_environment(tmp_path_factory.mktemp("user") / "environment")
    made.install(wheel)
    return made


def _names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def _distributions(environment: BareEnvironment) -> set[str]:
    folders = environment.site_packages.glob("*.dist-info")
    return {folder.name.split("-")[0].lower() for folder in folders}


def test_the_wheel_holds_exactly_the_files_of_the_three_packages(wheel: Path) -> None:
    paths = [path.relative_to(REPOSITORY) for path in packable_files()]
    packed = {name for name in _names(wheel) if ".dist-info/" not in name}
    assert packed == {path.as_posix() for path in paths if path.parts[0] in PACKAGES}


def test_the_wheel_holds_types_schema_and_models(wheel: Path) -> None:
    names = _names(wheel)
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert "stream/result.schema.json" in names
    assert any(name.startswith("engines/zoo/") and name.endswith("/model.onnx") for name in names)


def test_the_wheel_carries_licence_and_notice(wheel: Path) -> None:
    assert {"LICENSE", "NOTICE"} <= {name.rsplit("/", 1)[-1] for name in _names(wheel)}


def test_the_run_time_set_has_no_torch(installed: BareEnvironment) -> None:
    assert _distributions(installed) & NEVER_INSTALLED == set()


def test_the_run_time_set_is_small(installed: BareEnvironment) -> None:
    assert installed.megabytes <= MAX_SITE_PACKAGES_MB


def test_nothing_else_of_the_tree_becomes_importable(installed: BareEnvironment) -> None:
    ours = {path.relative_to(REPOSITORY).parts[0] for path in packable_files()}
    assert ours & {path.name for path in installed.site_packages.iterdir()} == set(PACKAGES)


def test_the_command_explains_itself(installed: BareEnvironment) -> None:
    assert "posestream run demo" in installed.run("posestream", "--help")


def test_the_shipped_models_are_found(installed: BareEnvironment) -> None:
    shipped = [path.parent.name for path in (REPOSITORY / "engines/zoo").glob("*/manifest.json")]
    listed = installed.run("posestream", "models", "list")
    assert shipped
    assert [name for name in shipped if name not in listed] == []


def test_the_demo_runs(wheel: Path, installed: BareEnvironment, tmp_path: Path) -> None:
    installed.install(f"posestream[demo] @ {wheel.as_uri()}")
    output = tmp_path / "demo.jsonl"
    installed.run("posestream", "run", "demo", "--max-frames", "20", "--output", output)
    assert len(output.read_text("utf-8").splitlines()) == 20
