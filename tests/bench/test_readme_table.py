"""The table is what the files say, and nothing else of the README changes."""

import json
from pathlib import Path

import pytest

from tests.bench.readme_table import HEAD, table, written
from tests.bench.report import RESULTS

RUN = {
    "measured": "2026-11-21",
    "commit": "abc1234",
    "hardware": "two cores",
    "figures": [
        {"name": "Decoding", "value": 512.5, "unit": "frames/s", "readme": True},
        {"name": "Only for who looks", "value": 1, "unit": "frames/s"},
    ],
}

FIELDS = {"name", "value", "unit", "quartiles", "readme"}


def test_each_figure_for_the_readme_becomes_a_row_with_its_evidence(tmp_path: Path) -> None:
    (tmp_path / "decode.json").write_text(json.dumps(RUN), "utf-8")
    evidence = "two cores; 2026-11-21, commit abc1234"
    link = "[decode.json](tests/bench/results/decode.json)"
    assert table(tmp_path) == f"{HEAD}| Decoding | 512.5 frames/s | {evidence} | {link} |\n"


def test_no_files_make_an_empty_table(tmp_path: Path) -> None:
    assert table(tmp_path) == HEAD


def test_the_table_is_written_between_the_marks(tmp_path: Path) -> None:
    page = "a\n<!-- numbers: begin -->\n{}<!-- numbers: end -->\nz\n"
    assert written(page.format("old\n"), tmp_path) == page.format(HEAD)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.name)
def test_every_committed_file_names_its_evidence(path: Path) -> None:
    run = json.loads(path.read_text("utf-8"))
    assert set(RUN) <= set(run)
    assert run["figures"]
    for figure in run["figures"]:
        assert {"name", "value", "unit"} <= set(figure) <= FIELDS
