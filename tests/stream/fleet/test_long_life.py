"""Nothing piles up: not over many connections, not over many streams."""

from pathlib import Path

import pytest

from stream.fleet.stream_machine import StreamState
from tests.running_camera import running_camera
from tests.running_fleet import RunningFleet, running_fleet

WARM, MORE = 3, 7


def mappings(pid: int) -> int:
    """Segments that a process maps."""
    return Path(f"/proc/{pid}/maps").read_text("utf-8").count("memfd:frames")


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def holdings(running: RunningFleet) -> dict[str, tuple[int, int]]:
    """Mappings and descriptors of every process of the daemon, and of this one."""
    found = {p.name: p.pid for p in running.fleet.health().processes} | {"supervisor": "self"}
    return {name: (mappings(pid), descriptors(pid)) for name, pid in found.items()}  # type: ignore[arg-type]


@pytest.mark.slow
def test_many_reconnects_leave_memory_and_descriptors_as_they_were(
    fleet_videos: dict[str, Path],
) -> None:
    with (
        running_camera([fleet_videos["h264"]], "disconnect:at=0.2") as [address],
        running_fleet() as running,
    ):
        running.add("cam", address)
        running.wait_for_losses("cam", WARM)
        running.fleet.pause("cam")
        running.wait_for_state("cam", StreamState.STOPPED)
        before = holdings(running)
        running.fleet.resume("cam")
        running.wait_for_losses("cam", WARM + MORE)
        running.fleet.pause("cam")
        running.wait_for_state("cam", StreamState.STOPPED)
        running.wait(lambda: _not_more(holdings(running), before), f"as before: {before}")
    epochs = [result.frame.epoch for result in running.sinks["cam"].results]
    assert epochs == sorted(epochs)


def _not_more(now: dict[str, tuple[int, int]], before: dict[str, tuple[int, int]]) -> bool:
    return all(
        mapped <= before[name][0] + 1 and opened <= before[name][1] + 1
        for name, (mapped, opened) in now.items()
        if name in before
    )
