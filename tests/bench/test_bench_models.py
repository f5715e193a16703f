"""Rows of the long table: what they are called, what suits what."""

import argparse
from pathlib import Path

import pytest

from builders.evaluation.clip_recall import ClipRecall
from engines.zoo_models import find_model, list_models
from tests.bench.bench_cascades import shipped_cascades
from tests.bench.bench_models import (
    Row,
    clip_figures,
    is_known,
    is_outdated,
    person_score,
    shipped_systems,
    wanted_rows,
    with_times_of,
)


def test_a_row_is_named_without_folders() -> None:
    row = Row("some/where/detector+other/top_down", "openvino/bf16", 1, "lspet")
    assert row.key == "detector+top_down | openvino/bf16 | lspet"
    assert Row("movenet_multipose_256", "onnxruntime/fp32", 1, "clips").name.endswith("_256")


def test_who_needs_labelled_boxes_is_not_shown_clips() -> None:
    options = argparse.Namespace(
        model=["truth+a", "b"],
        shipped=False,
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
    assert person_score("yolox_nano+movenet_thunder") == 0.1
    assert person_score("yolox_nano+movenet_thunder (box scores)") == 0.35
    assert person_score("truth+movenet_thunder") == 0
    assert person_score("bottom_up") == find_model("bottom_up").manifest.thresholds.min_score


def test_a_row_of_other_weights_is_measured_again() -> None:
    ours = Row("bottom_up", "openvino/bf16", 1, "clips")
    rows = {ours.key: {"models": ours.models}}
    assert is_known(ours, rows)
    assert not is_known(ours, {ours.key: {"models": "other"}})
    assert not is_known(ours, {})
    measured = {"system": "bottom_up", "engine": ours.engine, "threads": 1, "set": "clips"}
    assert is_outdated(measured | {"models": "other"})
    assert not is_outdated(measured | {"models": ours.models})
    assert not is_outdated(measured | {"models": "any", "system": "truth+unshipped"})
    peer = Row("movenet_multipose_256", "openvino/bf16", 1, "clips")
    assert is_known(peer, {peer.key: {}})


def test_where_tracks_start_changes_nobody_who_is_found(tmp_path: Path) -> None:
    def models(**changed: float) -> str | None:
        artefact = find_model("bottom_up_tiny")
        thresholds = artefact.manifest.thresholds.model_copy(update=changed)
        folder = tmp_path / "_".join(("with", *changed)) / artefact.manifest.name
        folder.mkdir(parents=True)
        (folder / "model.onnx").symlink_to(artefact.onnx_path)
        manifest = artefact.manifest.model_copy(update={"thresholds": thresholds})
        (folder / "manifest.json").write_text(manifest.model_dump_json(), "utf-8")
        return Row(str(folder), "openvino/bf16", 1, "clips").models

    as_shipped = models()
    assert models(start_score=0.9) == as_shipped
    assert models(min_score=0.1) != as_shipped


def test_what_ships_is_measured_alone_on_true_boxes_and_behind_whoever_finds_people() -> None:
    zoo = [
        find_model("bottom_up").manifest.model_copy(update={"name": name, "stage": stage})
        for name, stage in (("a", "one_pass"), ("p", "top_down"), ("r", "refiner"))
    ]
    assert shipped_systems(zoo) == ["a", "a+p", "a+r", "a+p+r", "truth+p"]
    with_detector = [*zoo, zoo[0].model_copy(update={"name": "d", "stage": "detector"})]
    assert shipped_systems(with_detector) == ["a", "d+p", "a+r", "d+p+r", "truth+p"]


def test_cascades_that_ship_are_timed_without_being_named() -> None:
    top_down = [one.name for one in list_models() if one.stage == "top_down"]
    assert shipped_cascades()
    assert all(cascade.split("+")[1] in top_down for cascade in shipped_cascades())


def test_times_of_a_row_may_be_kept() -> None:
    before = {"figures": {"AP": 0.4, "ms a picture": 20.0, "busy ms a picture": 21.0}}
    figures = {"AP": 0.5, "ms a picture": 80.0, "busy ms a picture": 81.0}
    assert with_times_of(before, figures) == before["figures"] | {"AP": 0.5}
    assert with_times_of(None, figures) == figures
