"""Rows of the long table: what they are called, what suits what."""

import argparse

import pytest

from builders.evaluation.clip_recall import ClipRecall
from engines.zoo_models import find_model
from tests.bench.bench_models import Row, clip_figures, person_score, wanted_rows


def test_a_row_is_named_without_folders() -> None:
    row = Row("some/where/detector+other/top_down", "openvino/bf16", 1, "lspet")
    assert row.key == "detector+top_down | openvino/bf16 | lspet"
    assert Row("movenet_multipose_256", "onnxruntime/fp32", 1, "clips").name.endswith("_256")


def test_who_needs_labelled_boxes_is_not_shown_clips() -> None:
    options = argparse.Namespace(
        model=["truth+a", "b"],
        peers=False,
        peer=["truth+movenet_thunder"],
        engine=["openvino/fp32"],
        sets=["clips"],
        threads=1,
    )
    assert [row.system for row in wanted_rows(options)] == ["b"]


def test_clips_are_counted_together() -> None:
    counted = [ClipRecall(4, 10, 6, 2, 1), ClipRecall(4, 30, 30, 0, 0)]
    found = clip_figures(counted)
    assert found["recall"] == pytest.approx(0.9)
    assert found["false frame share"] == pytest.approx(0.5)


def test_peers_have_scores_of_their_own_and_models_those_of_their_manifest() -> None:
    assert person_score("yolox_nano+movenet_thunder") == 0.35
    assert person_score("bottom_up") == find_model("bottom_up").manifest.thresholds.min_score
