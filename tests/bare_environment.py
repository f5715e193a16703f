"""The wheel, and an environment with nothing but the wheel: what a user gets."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.source_tree import REPOSITORY, tracked_files

CONSTRAINTS = REPOSITORY / "constraints.txt"


@dataclass(frozen=True, slots=True)
class BareEnvironment:
    """A virtual environment of its own, away from the repository."""

    folder: Path

    @property
    def site_packages(self) -> Path:
        """Where pip puts things."""
        [found] = self.folder.glob("lib/python*/site-packages")
        return found

    @property
    def megabytes(self) -> float:
        """Size of everything installed, compiled Python included; a megabyte is a million bytes."""
        files = (path for path in self.site_packages.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files) / 1e6

    def install(self, *what: str | Path) -> None:
        """Installs at the versions of constraints.txt."""
        self.run("pip", "install", "-q", "-c", CONSTRAINTS, *what)

    def run(self, program: str, *arguments: str | Path) -> str:
        """Output of a program of this environment, started far from the repository."""
        return run_clean([self.folder / "bin" / program, *arguments], self.folder.parent)


def new_environment(folder: Path) -> BareEnvironment:
    """An environment with pip and nothing else."""
    venv.create(folder, with_pip=True, symlinks=True)
    return BareEnvironment(folder)


def run_clean(command: Sequence[str | Path], cwd: Path) -> str:
    """Output of a command that must succeed; only pip's settings reach it from outside.

    Raises:
        RuntimeError: if it ends with another code than 0; the message holds all it printed.
    """
    kept = {name: text for name, text in os.environ.items() if name.startswith(("PIP_", "HOME"))}
    environment = {**kept, "PATH": os.defpath, "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        typed = " ".join(map(str, command))
        raise RuntimeError(f"{typed}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def build_wheel(folder: Path) -> Path:
    """The wheel, built in a folder from a copy: in the tree, older builds would get into it."""
    tree, built = folder / "tree", folder / "wheel"
    for path in packable_files():
        target = tree / path.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    built.mkdir()
    run_clean([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", built, tree], built)
    [found] = built.glob("*.whl")
    return found


def packable_files() -> list[Path]:
    """Every file that git tracks or would track."""
    return tracked_files("--others", "--exclude-standard")
