"""Accuracy of a model and of MoveNet MultiPose on the same labelled pictures and clips.

    python -m tests.bench.bench_accuracy --shared FOLDER [--model bottom_up] [--out FILE.json]

The figures are those of `python -m builders.evaluation`, with all of them under `details`. The
folder holds labelled/, videos/ and weights/.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from builders.evaluation.__main__ import compare_with_peers
from builders.evaluation.report import CLIPS, SETS, Report
from builders.evaluation.systems import EngineChoice
from engines.open_engine import EngineName
from engines.zoo_models import find_model
from tests.bench.report import Figure, write_report


def figures(report: Report) -> list[Figure]:
    """AP of every system on every set, for the README; people and false frames on every clip.

    Clips are scored as the model leaves them: what `run` makes of them with its tracker, which
    knows weak poses from ghosts, is in `bench_clips`.
    """
    return [*_of_sets(report), *_of_clips(report)]


def _of_sets(report: Report) -> Iterator[Figure]:
    for name in (f"{one}/val" for one in SETS):
        for system, found in report[name].items():
            yield Figure(f"AP of {system} on {name}", found["AP"], "", readme=True)


def _of_clips(report: Report) -> Iterator[Figure]:
    for clip in CLIPS:
        for system, found in report[clip].items():
            if "recall" in found:
                yield Figure(f"People found by {system} on {clip}", found["recall"], "")
            if "false_frame_share" in found:
                name = f"Empty frames of {clip} in which {system} sees somebody"
                yield Figure(name, found["false_frame_share"], "")


def main() -> None:
    """Evaluates and writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--engine", default="auto", choices=list(EngineName))
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    artefact = find_model(arguments.model)
    choice = EngineChoice(EngineName(arguments.engine), threads=arguments.threads)
    compared = compare_with_peers(artefact, choice, arguments.shared, None)
    report = compared.pop("figures")
    details = {"onnx_sha256": artefact.manifest.onnx_sha256, **compared, "all": report}
    write_report("accuracy", figures(report), details, arguments.out)


if __name__ == "__main__":
    main()
