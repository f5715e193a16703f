"""The page of errors says what the file of figures says."""

import json

import pytest

from tests.bench.error_page import MENDED, PAGE, losses, table
from tests.bench.report import RESULTS

FIGURES = {
    "AP": 0.4,
    "AR": 0.5,
    "people": 56.0,
    "missed_people": 9.0,
    "false_people": 23.0,
    "AP_after_miss": 0.45,
    "AP_after_swap": 0.5,
    "AP_after_inversion": 0.55,
    "AP_after_jitter": 0.6,
    "AP_after_false_people": 0.65,
    "AP_after_missed_people": 0.7,
}


def test_each_kind_of_error_costs_what_mending_it_adds() -> None:
    assert losses(FIGURES) == pytest.approx(dict.fromkeys(MENDED, 0.05))


def test_systems_on_labelled_sets_have_columns_and_clips_have_none() -> None:
    report = {"a/val": {"ours": FIGURES, "peer": FIGURES}, "clip": {"ours": {"frames": 3.0}}}
    lines = table(report).splitlines()
    assert lines[0] == "|  | a/val: ours | a/val: peer |"
    assert lines[2] == "| AP / AR | 0.400 / 0.500 | 0.400 / 0.500 |"
    assert lines[3] == "| AP lost to miss | 0.050 | 0.050 |"
    assert lines[-2:] == [
        "| missed people | 9 of 56 | 9 of 56 |",
        "| false people | 23 | 23 |",
    ]


def test_the_page_is_up_to_date() -> None:
    details = json.loads((RESULTS / "accuracy.json").read_text("utf-8"))["details"]
    assert table(details["all"]) in PAGE.read_text("utf-8")
