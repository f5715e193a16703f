import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from stream.clock import ManualClock
from stream.commands.batch_report import ConsoleTeller, JsonTeller, Report
from stream.jobs.manifest import Item, ItemState, JobManifest, JobSettings
from tests.run_parts import ListSource


def manifest_of_two(folder: Path) -> JobManifest:
    items = [Item(str(folder / name), name) for name in ("[red]a.mp4", "b.mp4")]
    for item in items:
        Path(item.path).write_bytes(b"x" * 100)
    return JobManifest(JobSettings("tiny", "0"), {item.path: item for item in items})


def work_through(report: Report, manifest: JobManifest, clock: ManualClock) -> JobManifest:
    """One file is half read, then done; the other one fails."""
    first, second = manifest.items.values()
    source = ListSource([])
    report.begin(manifest)
    report.began(first, source)
    report.frame(first)
    clock.advance(10)
    report.tick()
    ended = [
        Item(first.path, first.name, ItemState.DONE, frames=1),
        Item(second.path, second.name, ItemState.FAILED, error="it is [bold]broken"),
    ]
    report.ended(ended[0])
    clock.advance(10)
    report.tick()
    report.ended(ended[1])
    return manifest.with_items(ended)


def test_people_on_a_terminal_see_files_speed_failures_and_time_left(tmp_path: Path) -> None:
    screen, clock = io.StringIO(), ManualClock()
    teller = ConsoleTeller(Console(file=screen, force_terminal=True, width=120, color_system=None))
    report = Report(teller, clock, every_seconds=0.2)
    teller.end(work_through(report, manifest_of_two(tmp_path), clock))

    shown = screen.getvalue()
    assert "2 files" in shown
    assert "0/2 files · 0.1 frames/s · [red]a.mp4" in shown, "the time left is not known yet"
    assert "1/2 files · 0.1 frames/s · 0:00:20 left" in shown
    assert "b.mp4: failed: it is [bold]broken" in shown
    assert "│ done " in shown


def test_without_a_terminal_there_is_a_line_a_file(tmp_path: Path) -> None:
    screen, clock = io.StringIO(), ManualClock()
    teller = ConsoleTeller(Console(file=screen, width=120))
    work_through(Report(teller, clock, every_seconds=0.2), manifest_of_two(tmp_path), clock)
    assert screen.getvalue().splitlines() == [
        "2 files", "[red]a.mp4: 1 frames", "b.mp4: failed: it is [bold]broken"
    ]  # fmt: skip


def test_programs_get_a_line_of_json_for_every_event(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teller, clock = JsonTeller(), ManualClock()
    report = Report(teller, clock, every_seconds=1.0)
    teller.end(work_through(report, manifest_of_two(tmp_path), clock))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["event"] for one in told] == [
        "begin", "file_began", "progress", "file_done", "progress", "file_failed", "end"
    ]  # fmt: skip
    assert told[4]["eta_seconds"] == 20.0
    assert told[4]["share"] == 0.5
    assert told[6]["failed"] == 1
