"""The page of figures says what the file of rows says."""

import pytest

from tests.bench.accuracy_page import BEGIN, END, has_no_room, points, replaced, table

ROWS = {
    f"{system} {part}": {
        "system": system,
        "peer": system == "peer",
        "engine": "openvino/bf16",
        "set": part,
        "figures": {"AP": ap, "busy ms a picture": 12.4},
    }
    for system, part, ap in (
        ("peer", "coco_kp", 0.3),
        ("ours", "coco_kp", 0.4),
        ("ours", "mixed_val", 0.5),
        ("truth+ours", "coco_kp", 0.6),
    )
}


def test_a_system_has_one_line_ours_first_those_on_true_boxes_last() -> None:
    lines = table(ROWS).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == ["**ours**", "peer", "**truth+ours**"]
    assert "| 12 | 0.400 | 0.500 |  |" in lines[0]


def test_the_plot_shows_who_was_measured_on_both_sets() -> None:
    assert points(ROWS) == [("ours", 12.4, 0.45, False)]


def test_a_page_without_markers_is_refused() -> None:
    assert replaced(f"a\n{BEGIN}old{END}\nb", "new\n") == f"a\n{BEGIN}new\n{END}\nb"
    with pytest.raises(ValueError, match="lacks the lines"):
        replaced("a", "new")


def test_a_name_goes_to_the_left_of_another_dot_and_of_the_edge() -> None:
    dots = [(30.0, 0.43), (98.0, 0.436), (500.0, 0.3), (31.0, 0.3)]
    assert has_no_room(dots[0], dots)
    assert not has_no_room(dots[1], dots)
    assert has_no_room(dots[2], dots)
    assert not has_no_room(dots[3], dots)
    assert not has_no_room((15.0, 0.43), dots)  # there is less room on the left
