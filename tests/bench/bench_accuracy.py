"""Accuracy of a model and of MoveNet MultiPose on the same labelled pictures and clips.

    python -m tests.bench.bench_accuracy --shared FOLDER [--model bottom_up] [--out FILE.json]

The figures are those of `python -m builders.evaluation`, with all of them under `details`. The
folder holds labelled/, videos/ and weights/.
"""

import argparse
from pathlib import Path

from builders.evaluation.__main__ import compare_with_peers
from builders.evaluation.report import SETS, Report
from builders.evaluation.systems import EngineChoice
from engines.open_engine import EngineName
from engines.zoo_models import find_model
from tests.bench.report import Figure, write_report


def figures(report: Report, shown: str = "") -> list[Figure]:
    """AP of every system on every set; for the README those of the systems that begin with `shown`.

    Clips are among the details, scored as the model leaves them: what `run` makes of them with its
    tracker, which knows weak poses from ghosts, is in `bench_clips`.
    """
    return [
        Figure(f"AP of {system} on {one}/val", found["AP"], "", readme=system.startswith(shown))
        for one in SETS
        for system, found in report[f"{one}/val"].items()
    ]


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
    shown = "" if arguments.model == "bottom_up" else artefact.manifest.name  # peers once
    write_report("accuracy", figures(report, shown), details, arguments.out)


if __name__ == "__main__":
    main()
