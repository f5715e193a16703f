"""The project's own Python files as parsed trees, for the tests that hold its rules."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
PACKAGES = ("stream", "engines", "builders")


@dataclass(frozen=True, slots=True, eq=False)
class SourceFile:
    """One Python file."""

    path: str
    """Relative to the repository, with slashes."""
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """Top-level folder."""
        return self.path.split("/", 1)[0]

    @property
    def module(self) -> str:
        """Dotted name; a package's `__init__.py` has the package's."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def lines(self) -> int:
        """Lines of the file."""
        return len(self.text.splitlines())


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, wherever in the file the statement stands."""

    path: str
    line: int
    target: str
    """Dotted name as far as it can be told: `a.b` for both `import a.b` and `from a import b`."""

    @property
    def top(self) -> str:
        """Top-level package of the target."""
        return self.target.split(".", 1)[0]

    def __str__(self) -> str:
        """How a failing test names it."""
        return f"{self.path}:{self.line} imports {self.target}"


def parse(path: str, text: str) -> SourceFile:
    """A file from its text."""
    return SourceFile(path, text, ast.parse(text, path))


def source_files(*folders: str) -> list[SourceFile]:
    """Every Python file under the folders, sorted by path."""
    paths = sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))
    return [
        parse(path.relative_to(REPOSITORY).as_posix(), path.read_text("utf-8")) for path in paths
    ]


def tracked_files(*options: str) -> list[Path]:
    """Files that git tracks; options are those of `git ls-files`."""
    command = ["git", "ls-files", "-z", "--cached", *options]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True, text=True)
    paths = {REPOSITORY / name for name in listed.stdout.split("\0") if name}
    return sorted(path for path in paths if path.is_file())


def imports(file: SourceFile) -> Iterator[Import]:
    """Every import statement of a file; those for type checkers only are imports too."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file.path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                dots = "." * node.level
                yield Import(file.path, node.lineno, f"{dots}{node.module or ''}.{alias.name}")


def functions(file: SourceFile) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def calls(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that is called."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)
