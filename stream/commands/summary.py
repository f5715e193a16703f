"""What a run did, as a table."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from stream.frame import Outcome
from stream.pipeline import RunEnd
from stream.run_statistics import RunStatistics
from stream.stage_times import StageTimes

STAGE_ORDER = (
    "decode", "queue", "pre", "infer", "post", "crop", "pose", "refine", "track", "publish",
)  # fmt: skip
HOW_TO_KEEP = (
    "nothing was written; keep the results with --output FILE.jsonl, see them with "
    "--annotate OUT.mp4"
)


def summary_table(statistics: RunStatistics, *, end: RunEnd | None, model: str) -> Table:
    """Rows of (what, number); `end` is None for a run that failed."""
    title = f"posestream run: {end or 'failed'}"
    table = Table(title=title, title_justify="left", show_header=False, highlight=True)
    for row in _rows(statistics, model):
        table.add_row(*row)
    return table


def print_written(console: Console, destinations: Sequence[str]) -> None:
    """Says where the results went, one line each, or how to keep them."""
    lines = [f"wrote {place}" for place in destinations] or [HOW_TO_KEEP]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def _rows(statistics: RunStatistics, model: str) -> Iterable[tuple[str, str]]:
    ledger = statistics.ledger
    yield "frames", f"{ledger.read}  ({_outcomes(statistics)})"
    if ledger.in_flight:
        yield "frames lost in the failure", str(ledger.in_flight)
    if statistics.corrupt_packets:
        yield "corrupt packets", str(statistics.corrupt_packets)
    yield "people (poses)", str(statistics.poses)
    yield "tracks", str(statistics.tracks)
    yield "model", model
    for stage in sorted(statistics.stages, key=_place):
        yield f"{stage} p50 / p95", _milliseconds(statistics.stages[stage])
    yield (
        "speed",
        f"{statistics.frames_per_second:.1f} frames/s, {statistics.run_seconds:.2f} s, "
        f"{statistics.realtime_factor:.1f} x realtime",
    )


def _place(stage: str) -> int:
    return STAGE_ORDER.index(stage) if stage in STAGE_ORDER else len(STAGE_ORDER)


def _outcomes(statistics: RunStatistics) -> str:
    counted = statistics.ledger.outcomes
    some = [f"{counted[outcome]} {outcome}" for outcome in Outcome if counted[outcome]]
    return ", ".join(some) or "none"


def _milliseconds(times: StageTimes) -> str:
    quantiles = (times.quantile_seconds(share) or 0.0 for share in (0.5, 0.95))
    return " / ".join(f"{1000 * seconds:.2f}" for seconds in quantiles) + " ms"
