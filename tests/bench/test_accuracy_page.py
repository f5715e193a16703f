"""The page of figures says what the file of rows says."""

from tests.bench.accuracy_page import (
    has_no_room,
    points,
    refiner_table,
    table,
    views_table,
)
from tests.bench.bench_views import DIFFERENCES

ROWS = {
    f"{system} {part}": {
        "system": system,
        "peer": system == "peer",
        "engine": "openvino/fp32",
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


def test_a_name_goes_to_the_left_of_another_dot_and_of_the_edge() -> None:
    dots = [(30.0, 0.43), (98.0, 0.436), (500.0, 0.3), (31.0, 0.3)]
    assert has_no_room(dots[0], dots)
    assert not has_no_room(dots[1], dots)
    assert has_no_room(dots[2], dots)
    assert not has_no_room(dots[3], dots)
    assert not has_no_room((15.0, 0.43), dots)  # there is less room on the left


def test_views_say_how_far_ours_are_above_each_peer() -> None:
    found = {"difference": 0.0141, "interval": [-0.0228, 0.0401]}
    report = {
        "figures": [
            {"name": f"AP of {system}, {words}", "value": value}
            for words in ("as labelled", "everybody known")
            for system, value in (("ours", 0.5), ("peer", 0.4859))
        ],
        "details": {DIFFERENCES: {"as labelled": {}, "everybody known": {"ours over peer": found}}},
    }
    assert views_table(report).splitlines() == [
        "| system | AP, as labelled | AP, everybody known | over peer |",
        "|---|---|---|---|",
        "| **ours** | 0.500 | 0.500 | +0.014 (-0.023 to +0.040) |",
        "| peer | 0.486 | 0.486 |  |",
    ]


def test_a_refiner_has_a_line_for_each_model_that_it_stands_behind() -> None:
    gain = {"AP before": 0.4394, "AP after": 0.4572, "difference": 0.0178, "interval": [0.01, 0.02]}
    report = {"details": {"models": {"ours+refiner": {"engine": "any", "lspet": gain}}}}
    assert refiner_table(report).splitlines() == [
        "| system | lspet |",
        "|---|---|",
        "| **ours+refiner** | 0.439 to 0.457, +0.018 (+0.010 to +0.020) |",
    ]
