"""What the pages under docs/ name is there."""

import re
from pathlib import Path

import pytest

from tests.source_tree import REPOSITORY

PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
TESTS = "\n".join(path.read_text("utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", page.read_text("utf-8")))
    assert {name for name in named if f"def {name}(" not in TESTS} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_results_that_is_named_exists(page: Path) -> None:
    """But for those that a command on the page would write."""
    text = page.read_text("utf-8")
    named = set(re.findall(r"(?<!--out )tests/bench/results/[\w.]+\.json", text))
    assert {name for name in named if not (REPOSITORY / name).is_file()} == set()
