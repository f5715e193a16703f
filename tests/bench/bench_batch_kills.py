"""A batch job that is killed again and again: does it end as if nothing had happened?

    python -m tests.bench.bench_batch_kills [--kills 20] [--seed 1] [--out FILE.json]

Ten good videos of different lengths (drawn people, the tiny model, tables or lines and annotated
videos) and five broken ones. A first job runs undisturbed. A second one is killed with -9 at random
moments, some before it begins a file, most within one; after each kill what has its final name must
already be whole. Then it runs to its end. Exit code 1 if any byte differs.
"""

import argparse
import os
import random
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engines.artefact import Artefact
from tests.bench.report import Figure, write_report
from tests.command_line import posestream
from tests.drawn_clips import write_drawn_clip
from tests.stream.commands.test_batch_kills import begun, killed_in_a_file, results, words
from tests.tiny_model import write_tiny_artefact

GOOD_FRAMES = (120, 270, 75, 420, 180, 330, 60, 240, 150, 510)
WITHIN_SECONDS = 0.5
"""A kill comes so long after a file was begun, at most."""


def write_videos(folder: Path) -> Path:
    """Ten good videos and five broken ones."""
    folder.mkdir()
    for number, frames in enumerate(GOOD_FRAMES):
        write_drawn_clip(folder / f"good{number}.mp4", frames)
    whole = (folder / "good0.mp4").read_bytes()
    broken = {
        "empty": b"",
        "noise": b"\x00noise" * 500,
        "cut": whole[: len(whole) // 2],
        "text": b"this is no video\n" * 100,
        "headless": whole[len(whole) // 3 :],
    }
    for name, content in broken.items():
        (folder / f"{name}.mp4").write_bytes(content)
    return folder


def differing(calm: dict[str, bytes], storm: dict[str, bytes], *, is_over: bool) -> list[str]:
    """Names of results that differ; before the end some may still be missing or partial."""
    if is_over:
        return sorted(name for name in calm | storm if calm.get(name) != storm.get(name))
    return sorted(name for name in calm.keys() & storm.keys() if calm[name] != storm[name])


class Storm:
    """The job that is killed."""

    def __init__(self, command: tuple[object, ...], folder: Path, seed: int) -> None:
        self._command, self._folder = command, folder
        self._dice = random.Random(seed)  # noqa: S311 - where kills fall
        self.starts = self.kills = 0

    def strike(self, early: bool) -> None:
        """One start and its end; `early` kills before a file is begun."""
        self.starts += 1
        with begun(self._command, self._folder) as process:
            if early:
                process.kill()
                process.communicate()
                self.kills += process.returncode == -signal.SIGKILL
                return
            self.kills += killed_in_a_file(process, self._dice.uniform(0.0, WITHIN_SECONDS))


def measure(folder: Path, model: Artefact, arguments: argparse.Namespace) -> dict[str, Any]:
    """Both jobs and what differs between them."""
    videos = write_videos(folder / "videos")
    undisturbed = posestream(*words(videos, model, "calm"), cwd=folder)
    if undisturbed.returncode != 1:
        sys.exit(f"the undisturbed job should fail for its broken files only: {undisturbed.stderr}")
    calm = results(folder / "calm")
    storm = Storm(words(videos, model, "storm"), folder, arguments.seed)
    wrong: set[str] = set()
    while storm.kills < arguments.kills and storm.starts < 5 * arguments.kills:
        storm.strike(early=storm.starts % 5 == 4)
        wrong |= set(differing(calm, results(folder / "storm"), is_over=False))
    last = posestream(*words(videos, model, "storm"), cwd=folder)
    wrong |= set(differing(calm, results(folder / "storm"), is_over=True))
    told = [
        posestream("batch", "status", out, "--json", cwd=folder).stdout for out in ("calm", "storm")
    ]
    return {
        "good_files": len(GOOD_FRAMES),
        "broken_files": 5,
        "frames": sum(GOOD_FRAMES),
        "kills": storm.kills,
        "starts": storm.starts,
        "results": len(calm),
        "bytes": sum(map(len, calm.values())),
        "differing_results": sorted(wrong),
        "same_status": told[0] == told[1],
        "exit_codes": [undisturbed.returncode, last.returncode],
    }


def main() -> None:
    """Kills, compares, writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    load_before = round(os.getloadavg()[0], 2)
    with TemporaryDirectory() as folder:
        model = write_tiny_artefact(Path(folder) / "models" / "tiny")
        found = measure(Path(folder), model, arguments)
    is_same = not found["differing_results"] and found["same_status"]
    kills = f"{found['kills']} kills, {found['good_files']} good and 5 broken files"
    figures = [
        Figure(f"Batch, {kills}: results that differ", len(found["differing_results"]), "files")
    ]
    details = {"seed": arguments.seed, **found, "load_average_before": load_before}
    write_report("batch_kills", figures, details, arguments.out)
    sys.exit(0 if is_same and found["kills"] >= arguments.kills else 1)


if __name__ == "__main__":
    main()
