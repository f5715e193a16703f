"""A fleet's bad days: cameras, decoders and engines that hang, die and come back."""

import os
import signal
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stream.errors import LossCause
from stream.fleet.stream_machine import StreamState
from stream.frame import Outcome
from stream.site_file.patience import PATIENCE, Profile
from tests.command_line import running
from tests.free_ports import free_port
from tests.running_camera import running_camera
from tests.running_fleet import SLOW, neighbour, quiet_lost_nothing, running_fleet

FAULTS = {
    "stalls": ("stall:at=1,seconds=2,first=1", {"stalled"}),
    "falls_silent": ("stall:at=1,seconds=600,first=1", {"stalled", "backoff"}),
    "hangs_up": ("disconnect:at=1,first=1", {"backoff"}),
    "says_nothing": ("half-open:first=1", {"backoff"}),
}
"""What a camera does -> its fault, and the states that its stream must go through."""


@pytest.mark.slow
def test_cameras_with_faults_are_live_again_and_their_neighbour_loses_nothing(
    fleet_videos: dict[str, Path],
) -> None:
    files = [fleet_videos["h264"]] * (len(FAULTS) + 1)
    faults = [f"{fault},on=cam{n}" for n, (fault, _) in enumerate(FAULTS.values())]
    faults = [fault.replace("half-open,", "half-open:") for fault in faults]
    with (
        running_camera(files, *faults) as [*bad, good],
        running_fleet(streams_per_worker=5) as running,
    ):
        neighbour(running, good)
        for name, address in zip(FAULTS, bad, strict=True):
            running.add(name, address, **SLOW)
        for name, (_, states) in FAULTS.items():
            running.wait_for_states(name, states)
            running.wait_for_state(name, StreamState.LIVE)
        for name in FAULTS:
            running.wait_for_results(name, 3)
        quiet_lost_nothing(running)


BACK_AS = ("h264", "h265", "large")


@pytest.mark.slow
def test_cameras_that_are_killed_are_live_two_seconds_after_they_are_back(
    fleet_videos: dict[str, Path], tmp_path: Path
) -> None:
    ports = [free_port() for _ in BACK_AS]
    with running_camera([fleet_videos["h264"]]) as [good], running_fleet() as fleet:
        neighbour(fleet, good)
        with ExitStack() as before:
            for kind, port in zip(BACK_AS, ports, strict=True):
                start_camera(before, fleet_videos["h264"], port, tmp_path)
                fleet.add(kind, f"rtsp://127.0.0.1:{port}/cam0", **SLOW)
            for kind in BACK_AS:
                fleet.wait_for_results(kind, 2)
        for kind in BACK_AS:
            fleet.wait_for_losses(kind, 3)
        with ExitStack() as after:
            for kind, port in zip(BACK_AS, ports, strict=True):
                start_camera(after, fleet_videos[kind], port, tmp_path)
            are_back = fleet.clock.monotonic()
            for kind in BACK_AS:
                fleet.wait_for_state(kind, StreamState.LIVE)
            seconds = fleet.clock.monotonic() - are_back
            for kind in BACK_AS:
                fleet.wait_for_results(kind, 2)
        quiet_lost_nothing(fleet)
    for kind in BACK_AS:
        assert sorted({r.frame.epoch for r in fleet.sinks[kind].results}) == [0, 1]
    # The key frames are 0.4 s apart; the rest is for a machine that others use too.
    assert seconds <= 2 + 0.4 + 1.5


def start_camera(stack: ExitStack, file: Path, port: int, folder: Path) -> None:
    """A camera that is there when this returns, and killed with the stack."""
    camera = stack.enter_context(running("camera", file, "--port", port, cwd=folder))
    assert camera.stdout is not None
    camera.stdout.readline()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_decoder_that_dies_or_hangs_is_replaced_and_costs_the_others_nothing(
    number: signal.Signals, fleet_videos: dict[str, Path]
) -> None:
    files = [fleet_videos["h264"]] * 2
    with running_camera(files) as [bad, good], running_fleet() as running:
        neighbour(running, good)
        running.add("bad", bad, **SLOW)
        running.wait_for_results("bad", 2)
        process = running.process_of("bad")
        pid = running.pid_of(process)
        os.kill(pid, number)
        running.wait(lambda: running.fleet.health().decoder_restarts, "a restart")
        running.wait_for_state("bad", StreamState.LIVE)
        running.wait_for_results("bad", 2)
        assert running.pid_of(running.process_of("bad")) != pid
        assert not Path(f"/proc/{pid}").exists()
        quiet_lost_nothing(running)
    reason = "hang" if number == signal.SIGSTOP else "died"
    labels = {"process": "decoder", "reason": reason}
    assert running.registry.get_sample_value("posestream_process_restarts_total", labels) == 1


def test_a_decoder_over_its_memory_is_replaced(fleet_videos: dict[str, Path]) -> None:
    with (
        running_camera([fleet_videos["h264"]]) as [address],
        running_fleet(memory_bytes=1 << 20) as running,
    ):
        running.add("cam", address, **SLOW)
        labels = {"process": "decoder", "reason": "memory"}
        name = "posestream_process_restarts_total"
        running.wait(lambda: running.registry.get_sample_value(name, labels), "a restart")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "reason"), [({"kills": ["bad"]}, "died"), ({"hangs": ["bad"]}, "hang")]
)
def test_an_engine_that_dies_or_hangs_is_replaced_and_the_ledger_stays_exact(
    engine: dict[str, Any], reason: str, fleet_videos: dict[str, Path]
) -> None:
    files = [fleet_videos["h264"]] * 2
    with running_camera(files) as [bad, good], running_fleet(engine=engine) as running:
        running.add("good", good, **SLOW)
        running.wait_for_results("good", 2)
        running.add("bad", bad, max_fps=1.0)
        failed = running.sinks["bad"].results
        running.wait(lambda: any(r.outcome is Outcome.FAILED for r in tuple(failed)), "failed")
        running.fleet.remove("bad")
        running.wait_for_results("good", 3)
        assert running.fleet.health().engine_restarts >= 1
        assert running.fleet.describe("good").reconnects == 0
        ledger = running.fleet.ledger("good")
        assert ledger.in_flight in range(3)
    labels = {"process": "engine", "reason": reason}
    count = running.registry.get_sample_value("posestream_process_restarts_total", labels)
    assert count is not None
    assert count >= 1


@pytest.mark.slow
def test_a_batch_that_fails_is_counted_and_the_engine_goes_on(
    fleet_videos: dict[str, Path],
) -> None:
    files = [fleet_videos["h264"]] * 2
    with running_camera(files) as [bad, good], running_fleet(engine={"fails": ["bad"]}) as running:
        running.add("good", good, **SLOW)
        running.add("bad", bad, max_fps=1.0)
        results = running.sinks["bad"].results
        running.wait(lambda: len(results) >= 2, "two failures")
        running.wait_for_results("good", 3)
        assert {result.outcome for result in results} == {Outcome.FAILED}
        assert running.fleet.health().engine_restarts == 0


@pytest.mark.slow
def test_a_reader_that_hangs_in_native_code_is_left_there_and_costs_the_others_nothing(
    fleet_videos: dict[str, Path], tmp_path: Path
) -> None:
    """Opening a pipe that nobody writes to takes for ever, and no limit of FFmpeg ends it."""
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    hasty = replace(PATIENCE[Profile.FILE], open_seconds=0.1, silence_seconds=0.3)
    with (
        running_camera([fleet_videos["h264"]]) as [good],
        running_fleet(streams_per_worker=2) as running,
    ):
        neighbour(running, good)
        running.add("hung", pipe, patience=hasty)
        shared = running.process_of("quiet")
        assert running.process_of("hung") == shared
        running.wait_for_losses("hung", 1)
        assert running.fleet.describe("hung").cause is LossCause.WATCHDOG
        running.wait_for_state("hung", StreamState.CONNECTING)
        assert running.process_of("hung") != shared
        quiet_lost_nothing(running)
        begun = running.clock.monotonic()
    assert running.clock.monotonic() - begun < 5
