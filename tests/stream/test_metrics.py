import shutil
import subprocess

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from stream.daemon_metrics import DropReason
from stream.frame import Outcome
from stream.ingest.decode_ladder import DecodeRung, StepReason
from stream.metrics import Delivery, Metrics, Stage
from tests.conftest import missing

CONNECTION = ["connecting", "live"], ["eof", "auth"], ["back", "wrap"]
"""States, causes of losses, kinds of time jumps."""


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry, "1.2.3")


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"posestream_{name}", labels)


def series_of(registry: CollectorRegistry, stream: str) -> list[str]:
    return [
        sample.name
        for family in registry.collect()
        for sample in family.samples
        if sample.labels.get("stream") == stream
    ]


def use_everything(metrics: Metrics) -> None:
    metrics.open_stream("door")
    metrics.frame_read("door", 1_700_000_000.5)
    metrics.frame_done("door", Outcome.INFERRED, 0.03)
    metrics.packets_corrupt("door", 2)
    metrics.people_found("door", [0.55, 0.95])
    metrics.tracks_begun("door", 2)
    metrics.stage_done(Stage.INFER, 0.02)
    metrics.batch_done(3, 4)
    metrics.queue_filled("decoded", 5, 8)
    metrics.open_sink("jsonl")
    metrics.result_delivered("jsonl", Delivery.ACKED)
    metrics.engine_started("bottom_up", {"engine": "openvino", "precision": "bf16"})
    use_what_a_daemon_has(metrics)


def use_what_a_daemon_has(metrics: Metrics) -> None:
    daemon = metrics.daemon
    daemon.open_connection("door", *CONNECTION)
    daemon.state_changed("door", "connecting", "live")
    daemon.connection_lost("door", "eof")
    daemon.time_jumped("door", "wrap")
    daemon.frames_dropped("door", DropReason.STALE, 3)
    daemon.open_process("engine", ["died", "hang"])
    daemon.process_restarted("engine", "hang")
    daemon.process_seen("engine", 5_000_000, 1.5)
    daemon.queue_weighs("frames", 1_382_400)
    daemon.sink_seen("jsonl", is_up=True, lag_seconds=0.5, spool_bytes=70)
    daemon.sink_failed("jsonl", 9, 2)
    daemon.engine_opened("bottom_up", 2.5, 0.04)


def test_every_outcome_counts_from_zero(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.open_stream("door")
    for outcome in Outcome:
        found = value(registry, "stream_frames_total", stream="door", outcome=outcome.value)
        assert found == 0
    assert value(registry, "stream_corrupt_packets_total", stream="door") == 0
    assert value(registry, "persons_total", stream="door") == 0
    assert value(registry, "tracks_total", stream="door") == 0


def test_every_stage_and_delivery_counts_from_zero(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    metrics.open_sink("redis")
    for stage in Stage:
        assert value(registry, "stage_seconds_count", stage=stage.value) == 0
    for delivery in Delivery:
        labels = {"sink": "redis", "outcome": delivery.value}
        assert value(registry, "sink_messages_total", **labels) == 0


def test_what_happened_can_be_read_back(registry: CollectorRegistry, metrics: Metrics) -> None:
    use_everything(metrics)
    read = {
        (sample.name.removeprefix("posestream_"), *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    assert read["stream_frames_total", "door", "inferred"] == 1
    assert read["stream_last_frame_timestamp_seconds", "door"] == 1_700_000_000.5
    assert read["stream_corrupt_packets_total", "door"] == 2
    assert read["persons_total", "door"] == 2
    assert read["tracks_total", "door"] == 2
    assert read["keypoint_confidence_bucket", "0.6"] == 1
    assert read["keypoint_confidence_bucket", "1.0"] == 2
    assert read["result_age_seconds_bucket", "0.025"] == 0
    assert read["result_age_seconds_bucket", "0.05"] == 1
    assert read["stage_seconds_sum", "infer"] == 0.02
    assert read["batch_size_sum",] == 3
    assert read["batch_fill_ratio_sum",] == 0.75
    assert read["queue_length", "decoded"] == 5
    assert read["queue_capacity", "decoded"] == 8
    assert read["sink_messages_total", "jsonl", "acked"] == 1
    assert read["engine_info", "bottom_up", "openvino", "bf16"] == 1
    assert read["build_info", "1.2.3"] == 1
    assert read["stream_result_age_seconds", "door"] == 0.03


def test_what_happened_to_a_daemon_can_be_read_back(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    use_everything(metrics)
    read = {
        (sample.name.removeprefix("posestream_"), *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    assert read["stream_state", "door", "live"] == 1
    assert read["stream_state", "door", "connecting"] == 0
    assert read["stream_reconnects_total", "door", "eof"] == 1
    assert read["stream_reconnects_total", "door", "auth"] == 0
    assert read["stream_time_jumps_total", "door", "wrap"] == 1
    assert read["stream_drops_total", "door", "stale"] == 3
    assert read["stream_drops_total", "door", "overtaken"] == 0
    assert read["process_restarts_total", "engine", "hang"] == 1
    assert read["process_restarts_total", "engine", "died"] == 0
    assert read["process_memory_bytes", "engine"] == 5_000_000
    assert read["process_cpu_seconds_total", "engine"] == 1.5
    assert read["queue_bytes", "frames"] == 1_382_400
    assert read["sink_up", "jsonl"] == 1
    assert read["sink_held_messages", "jsonl"] == 9
    assert read["sink_failures_total", "jsonl"] == 2
    assert read["spool_bytes", "jsonl"] == 70
    assert read["engine_build_seconds", "bottom_up"] == 2.5
    assert read["engine_parity_error_pixels", "bottom_up"] == 0.04


def test_a_certificate_without_people_says_nothing_of_distances(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    metrics.daemon.engine_opened("tiny", 0.1, None)
    assert value(registry, "engine_parity_error_pixels", model="tiny") is None


def test_a_refused_precision_is_counted(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.engine_stepped_down("bottom_up", "openvino", "bf16")
    labels = {"model": "bottom_up", "engine": "openvino", "refused": "bf16"}
    assert registry.get_sample_value("posestream_engine_steps_down_total", labels) == 1


def test_an_engine_that_was_passed_over_is_counted(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    metrics.engine_passed_over("bottom_up", "tensorrt", "no_driver")
    labels = {"model": "bottom_up", "engine": "tensorrt", "reason": "no_driver"}
    assert registry.get_sample_value("posestream_engine_fallbacks_total", labels) == 1


def test_only_inferred_frames_have_an_age(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.frame_done("door", Outcome.SKIPPED, 0.5)
    assert value(registry, "result_age_seconds_count") == 0


def test_a_clock_that_was_set_back_makes_no_negative_age(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    metrics.frame_done("door", Outcome.INFERRED, -3.0)
    assert value(registry, "result_age_seconds_sum") == 0


def test_ten_thousand_streams_that_came_and_went_leave_no_series(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    size_before = len(generate_latest(registry))
    for number in range(10_000):
        stream = f"stream_{number}"
        metrics.open_stream(stream)
        metrics.daemon.open_connection(stream, *CONNECTION)
        metrics.frame_read(stream, 1.0)
        metrics.frame_done(stream, Outcome.SKIPPED, 0.1)
        metrics.daemon.frames_dropped(stream, DropReason.OVERTAKEN)
        metrics.close_stream(stream)
        metrics.daemon.close_connection(stream, *CONNECTION)
    assert len(generate_latest(registry)) == size_before


def test_closing_one_stream_leaves_the_others(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    for stream in ("door", "yard"):
        metrics.open_stream(stream)
        metrics.daemon.open_connection(stream, *CONNECTION)
        metrics.frame_done(stream, Outcome.INFERRED, 0.1)
    before = series_of(registry, "yard")
    for stream in ("door", "door", "never opened"):
        metrics.close_stream(stream)
        metrics.daemon.close_connection(stream, *CONNECTION)
    assert series_of(registry, "door") == []
    assert series_of(registry, "yard") == before


def test_names_have_the_prefix_and_base_units(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    use_everything(metrics)
    for family in registry.collect():
        assert family.name.startswith("posestream_")
        assert family.documentation.endswith(".")
        assert not family.name.endswith(("_ms", "_milliseconds", "_percent", "_fps"))


def test_two_registries_do_not_know_each_other(registry: CollectorRegistry) -> None:
    other = CollectorRegistry()
    Metrics(registry, "1").open_stream("door")
    Metrics(other, "2")
    assert series_of(other, "door") == []


def test_prometheus_own_linter_finds_nothing(registry: CollectorRegistry, metrics: Metrics) -> None:
    if shutil.which("promtool") is None:
        missing("promtool is not here: install prometheus")
    use_everything(metrics)
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_steps_of_the_decode_ladder_are_counted_by_reason_and_begin_at_0() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry, "1")
    steps = "decode_steps_down_total"
    left = {"rung": "nvdec-download", "reason": "codec"}
    assert value(registry, steps, **left) == 0
    metrics.decode_stepped_down(DecodeRung.DOWNLOAD, StepReason.CODEC)
    assert value(registry, steps, **left) == 1
    assert value(registry, steps, rung="nvdec-zero-copy", reason="codec") == 0
