"""What a user gets on the held-out clips: people found by `posestream run`, and frames a second.

    python -m tests.bench.bench_clips --shared FOLDER [--keep FOLDER] [--out FILE.json]

Runs the real command on every frame, tracking included, and compares its JSONL with the teacher's
people. The folder holds labelled/ and videos/. With `--keep` results and annotated videos stay.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from builders.evaluation.clip_recall import ClipRecall
from builders.evaluation.report import CLIPS, MISSED_BY_TEACHER
from stream.clock import SystemClock
from tests.bench.report import Figure, write_report
from tests.bench.result_people import recall_of_results


def run_clip(clip: Path, model: str, folder: Path, *, annotate: bool) -> Path:
    """The JSONL of a run over the whole clip."""
    results = folder / f"{clip.stem}.jsonl"
    command = [sys.executable, "-m", "stream", "run", str(clip), "--model", model, "--quiet"]
    drawn = ["--annotate", str(folder / clip.name)] if annotate else []
    subprocess.run([*command, "--output", str(results), *drawn], check=True)
    return results


def figures(
    clip: str, recall: ClipRecall, tracks: int, seconds: float, *, shown: bool = True
) -> Iterator[Figure]:
    """People found and empty frames that are not, for the README if `shown`; tracks and seconds."""
    shares = recall.figures()
    if "recall" in shares:
        name = f"People found by `run`, {clip} ({recall.found} of {recall.people})"
        yield Figure(name, 100 * shares["recall"], "%", readme=shown)
    if "false_frame_share" in shares:
        name = f"Empty frames with a ghost, {clip} ({recall.false_frames} of {recall.empty_frames})"
        yield Figure(name, 100 * shares["false_frame_share"], "%", readme=shown)
    yield Figure(f"Tracks, {clip}", tracks, "")
    yield Figure(f"Whole command, {clip}", seconds, "s")


def track_count(results: Path) -> int:
    """How many ids were given."""
    lines = map(json.loads, results.read_text("utf-8").splitlines())
    return len({pose["track"] for line in lines for pose in line["poses"]})


def measure(clip: str, shared: Path, model: str, folder: Path, *, annotate: bool) -> list[Figure]:
    """One clip."""
    clock = SystemClock()
    began = clock.monotonic()
    results = run_clip(shared / "videos" / f"{clip}.mp4", model, folder, annotate=annotate)
    seconds = clock.monotonic() - began
    teacher = shared / "labelled" / "video_pseudo" / f"{clip}.json"
    recall = recall_of_results(results, teacher, MISSED_BY_TEACHER.get(clip, frozenset()))
    return list(figures(clip, recall, track_count(results), seconds, shown=model == "bottom_up"))


def main() -> None:
    """Runs, compares, writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        annotate = arguments.keep is not None
        found = [
            figure
            for clip in CLIPS[:4]
            for figure in measure(
                clip, arguments.shared, arguments.model, folder, annotate=annotate
            )
        ]
    write_report("clips", found, {"model": arguments.model}, arguments.out)


if __name__ == "__main__":
    main()
