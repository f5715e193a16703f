"""The page of faults says what the file of rows says."""

from builders.evaluation.robustness import FAULTS
from tests.bench.robustness_page import tables


def test_every_level_has_a_line_with_accuracy_and_false_people() -> None:
    fault = FAULTS["blur"]
    levels = [
        {"level": level, "AP": 0.4 - 0.1 * place, "false people": place}
        for place, level in enumerate(fault.levels)
    ]
    rows = {f"{name}, blur": {"system": name, "fault": "blur", "levels": levels} for name in "ab"}
    lines = tables(rows).splitlines()
    assert lines[0] == f"| blur: {fault.words} | a | b |"
    assert lines[2:5] == [
        "| 0 | 0.400 / 0 | 0.400 / 0 |",
        "| 2 | 0.300 / 1 | 0.300 / 1 |",
        "| 5 | 0.200 / 2 | 0.200 / 2 |",
    ]
