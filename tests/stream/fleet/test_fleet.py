"""A whole fleet with real cameras and real processes. Its bad days: `test_fleet_faults.py`."""

import logging
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from stream.camera.digest import Login
from stream.camera.transport_header import Offered
from stream.daemon_metrics import DropReason
from stream.errors import ConfigError, LossCause
from stream.fleet.stream_machine import StreamState
from stream.frame import Outcome
from stream.ingest.decode_ladder import DecodeWish
from stream.ingest.source_url import parse_source_url
from stream.ingest.video_address import Transport, url_address
from stream.ingest.video_hardware import has_nvidia_device
from stream.logs import configure_logs
from tests.free_ports import free_port
from tests.running_camera import running_camera, with_login
from tests.running_fleet import (
    SLOW,
    RunningFleet,
    neighbour,
    plan_of,
    quiet_lost_nothing,
    running_fleet,
)

pytestmark = pytest.mark.slow


def test_two_cameras_are_read_inferred_and_published(fleet_videos: dict[str, Path]) -> None:
    files = [fleet_videos["h264"], fleet_videos["h265"]]
    with running_camera(files) as addresses, running_fleet(streams_per_worker=2) as running:
        for number, address in enumerate(addresses):
            running.add(f"cam{number}", address, **SLOW)
        for number in range(2):
            running.wait_for_results(f"cam{number}", 5)
        views = running.fleet.describe_all()
        assert [(view.codec, view.width) for view in views] == [("h264", 160), ("hevc", 160)]
        assert all(view.ledger.outcomes[Outcome.SKIPPED] for view in views)
        assert running.fleet.health().is_engine_ready
        assert {p.name for p in running.fleet.health().processes} == {"engine", "decoder-0"}
        snapshot = running.fleet.snapshot("cam0")
        assert snapshot is not None
        assert (snapshot.frame.picture.width, len(snapshot.people)) == (160, 1)
    for number in range(2):
        sink = running.sinks[f"cam{number}"]
        assert sink.is_closed
        names = [(r.frame.epoch, r.frame.index) for r in sink.results]
        assert names == sorted(set(names)), "in order, nothing twice"


@pytest.mark.skipif(has_nvidia_device(), reason="there is an NVIDIA GPU here")
def test_without_a_gpu_a_stream_that_wants_nvdec_is_read_in_software_and_counted(
    fleet_videos: dict[str, Path],
) -> None:
    labels = {"rung": "nvdec-download", "reason": "open_failed"}
    with running_fleet() as running:
        running.add("door", fleet_videos["h264"], decode=DecodeWish.NVDEC, **SLOW)
        running.wait_for_results("door", 2)
        steps = "posestream_decode_steps_down_total"
        running.wait(lambda: running.registry.get_sample_value(steps, labels), "a step down")


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.AUTO])
def test_packets_come_over_udp_too(transport: Transport, fleet_videos: dict[str, Path]) -> None:
    with (
        running_camera([fleet_videos["h264"]], offered=Offered.UDP) as [url],
        running_fleet() as running,
    ):
        address = url_address(parse_source_url(url), transport)
        running.fleet.add(replace(plan_of("cam", url, **SLOW), address=address))
        running.wait_for_results("cam", 2)


def test_a_file_is_played_round_and_round_at_its_own_pace(fleet_videos: dict[str, Path]) -> None:
    with running_fleet() as running:
        running.add("file", fleet_videos["h264"], **SLOW)
        epochs = running.sinks["file"].results
        running.wait(lambda: len({r.frame.epoch for r in tuple(epochs)}) >= 2, "a second round")
        ledger = running.fleet.ledger("file")
        assert ledger.read <= 2 * 50 + 10


def test_another_size_in_the_middle_goes_on(fleet_videos: dict[str, Path]) -> None:
    fault = f"switch:to={fleet_videos['large']},at=1.0"
    with running_camera([fleet_videos["h264"]], fault) as [address], running_fleet() as running:
        running.add("cam", address, max_fps=10)
        results = running.sinks["cam"].results
        running.wait(lambda: any(r.frame.picture.width == 320 for r in tuple(results)), "large")
        running.wait_for_results("cam", 3)
        assert running.fleet.describe("cam").reconnects == 0
    widths = list(dict.fromkeys(result.frame.picture.width for result in results))
    assert widths == [160, 320]


def test_a_jump_of_the_cameras_clock_is_an_epoch_and_no_loss(fleet_videos: dict[str, Path]) -> None:
    fault = "jump:at=0.6,seconds=3600"
    with running_camera([fleet_videos["h264"]], fault) as [address], running_fleet() as running:
        running.add("cam", address, **SLOW)
        running.wait(lambda: running.fleet.describe("cam").epoch == 1, "the second epoch")
        assert running.fleet.describe("cam").reconnects == 0


@pytest.mark.parametrize(
    ("fault", "login", "cause", "state"),
    [
        ("wrong-auth", Login("joe", "p/a?s#s@w%o:r d"), LossCause.AUTH, StreamState.QUARANTINED),
        ("", None, LossCause.NOT_FOUND, StreamState.BACKOFF),
    ],
)
def test_the_cause_of_a_loss_is_told_and_no_secret_with_it(
    fault: str,
    login: Login | None,
    cause: LossCause,
    state: StreamState,
    fleet_videos: dict[str, Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    configure_logs(logging.DEBUG)
    faults = [fault] if fault else []
    with running_camera([fleet_videos["h264"]], *faults, login=login) as [camera_address]:
        address = with_login(camera_address, login) if login else camera_address.replace("0", "9")
        address = address if login else camera_address.replace("cam0", "cam9")
        with running_fleet() as running:
            running.add("cam", address)
            running.wait_for_state("cam", state)
            view = running.fleet.describe("cam")
            titles = [
                Path(f"/proc/{process.pid}/cmdline").read_bytes()
                for process in running.fleet.health().processes
            ]
    assert view.cause is cause
    assert view.retry_in_seconds is not None
    if login:
        seen = "".join([str(view), *capfd.readouterr(), str(titles)])
        seen += str(running.events) + str(running.registry.collect())
        for secret in (login.password, "p%2Fa", "p/a?s"):
            assert secret not in seen


def test_a_closed_port_and_an_unknown_host_are_the_network(fleet_videos: dict[str, Path]) -> None:
    with running_fleet(streams_per_worker=2) as running:
        running.add("closed", f"rtsp://127.0.0.1:{free_port()}/cam")
        running.add("nobody", "rtsp://nobody.invalid/cam")
        for name in ("closed", "nobody"):
            running.wait_for_losses(name, 2)
            assert running.fleet.describe(name).cause is LossCause.NETWORK


def drops_by_reason(running: RunningFleet, stream: str) -> dict[str, float]:
    found = {}
    for reason in DropReason:
        labels = {"stream": stream, "reason": reason.value}
        count = running.registry.get_sample_value("posestream_stream_drops_total", labels)
        assert count is not None
        found[reason.value] = count
    return found


@pytest.mark.slow
def test_overload_drops_the_oldest_counts_them_and_shares_fairly(
    fleet_videos: dict[str, Path],
) -> None:
    """Four cameras of 25 frames a second, and an engine for some 16 in all."""
    files = [fleet_videos["h264"]] * 4
    with (
        running_camera(files) as addresses,
        running_fleet(engine={"seconds": 0.25}, streams_per_worker=4) as running,
    ):
        for number, address in enumerate(addresses):
            running.add(f"cam{number}", address)
        running.wait_for_results("cam3", 8)
        ledgers = [running.fleet.ledger(f"cam{number}") for number in range(4)]
        reasons = drops_by_reason(running, "cam3")
    # A reason is counted when it is known, the outcome when the frame's turn comes.
    assert sum(reasons.values()) >= ledgers[3].outcomes[Outcome.DROPPED]
    assert reasons["overtaken"] > 0
    for ledger in ledgers:
        assert ledger.outcomes[Outcome.DROPPED] > 0
        assert ledger.in_flight <= 3 + 1
    counts = [running.count(f"cam{number}") for number in range(4)]
    assert max(counts) - min(counts) <= 4
    for number in range(4):
        results = running.sinks[f"cam{number}"].results
        names = [(r.frame.epoch, r.frame.index) for r in results]
        assert names == sorted(set(names)), "in order, nothing twice"


@pytest.mark.slow
def test_streams_are_added_paused_resumed_changed_and_removed(
    fleet_videos: dict[str, Path],
) -> None:
    files = [fleet_videos["h264"]] * 2
    with running_camera(files) as [one, two], running_fleet(streams_per_worker=2) as running:
        fleet = running.fleet
        neighbour(running, two)
        running.add("cam", one, **SLOW)
        running.wait_for_results("cam", 2)
        with pytest.raises(ConfigError, match="there is one of that name"):
            running.add("cam", one)
        fleet.pause("cam")
        assert fleet.describe("cam").state is StreamState.STOPPED
        assert fleet.describe("cam").is_paused
        read = fleet.ledger("cam").read
        fleet.resume("cam")
        running.wait_for_results("cam", 2)
        assert fleet.ledger("cam").read > read
        series = ("posestream_stream_reconnects_total", {"stream": "cam", "cause": "eof"})
        assert running.registry.get_sample_value(*series) == 0
        fleet.remove("cam")
        assert running.sinks["cam"].is_closed
        assert running.registry.get_sample_value(*series) is None
        assert fleet.names() == ["quiet"]
        with pytest.raises(ConfigError, match=r"there is none; there are: quiet"):
            fleet.describe("cam")
        quiet_lost_nothing(running)


def test_reconciling_leaves_equal_streams_alone(fleet_videos: dict[str, Path]) -> None:
    files = [fleet_videos["h264"]] * 4
    with running_camera(files) as addresses, running_fleet(streams_per_worker=4) as running:
        neighbour(running, addresses[0])
        quiet = plan_of("quiet", addresses[0], **SLOW)
        first = [quiet, *(plan_of(f"cam{n}", addresses[n], **SLOW) for n in (1, 2))]
        changes = running.fleet.reconcile(first)
        assert (changes.added, changes.changed, changes.removed) == (("cam1", "cam2"), (), ())
        running.wait_for_results("cam1")
        second = [quiet, plan_of("cam2", addresses[2], max_fps=2.0), plan_of("cam3", addresses[3])]
        changes = running.fleet.reconcile(second)
        assert (changes.added, changes.changed, changes.removed) == (
            ("cam3",),
            ("cam2",),
            ("cam1",),
        )
        for name in ("cam2", "cam3"):
            running.wait_for_results(name)
        assert running.fleet.names() == ["quiet", "cam2", "cam3"]
        assert running.fleet.reconcile(second).is_empty
        quiet_lost_nothing(running)


def test_an_unknown_model_is_told_and_other_models_run(fleet_videos: dict[str, Path]) -> None:
    files = [fleet_videos["h264"]] * 2
    with running_camera(files) as [one, two], running_fleet() as running:
        running.add("good", one, **SLOW)
        running.add("odd", two, model="unknown", **SLOW)
        running.wait(lambda: running.fleet.health().model_refusals, "a refusal")
        running.wait_for_results("good", 2)
        assert running.fleet.health().model_refusals == {"unknown": "there is no such model"}


STATES = {
    "nothing was added": [],
    "it cannot connect": ["rtsp://127.0.0.1:9/cam"],
    "it just begins": ["CAMERA", "CAMERA"],
}


@pytest.mark.parametrize("case", STATES)
def test_stop_is_clean_from_every_state(case: str, fleet_videos: dict[str, Path]) -> None:
    with running_camera([fleet_videos["h264"]]) as [address]:
        with running_fleet() as running:
            for number, place in enumerate(STATES[case]):
                running.add(f"cam{number}", place.replace("CAMERA", address))
            begun = running.clock.monotonic()
        assert running.clock.monotonic() - begun < 5
    assert all(sink.is_closed for sink in running.sinks.values())


@pytest.mark.slow
def test_stop_is_clean_while_everything_hangs(fleet_videos: dict[str, Path]) -> None:
    with running_camera([fleet_videos["h264"]]) as [address]:
        with running_fleet() as running:
            running.add("cam", address, **SLOW)
            running.wait_for_results("cam", 2)
            for process in running.fleet.health().processes:
                os.kill(process.pid, signal.SIGSTOP)
            begun = running.clock.monotonic()
        assert running.clock.monotonic() - begun < 5
