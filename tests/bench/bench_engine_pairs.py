"""Engines paired in one run, as a file for `results/`: who is how many times as fast per image.

    python -m tests.bench.bench_engine_pairs --out FILE.json [--model NAME] [--seconds N]
        [--pictures DIR]

Every engine's people are first compared with those of fp32; one that disagrees ends the run without
numbers. All take turns, so a busy neighbour slows them alike; ratios are taken round by round. Set
ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 to mask AMX off.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from engines.artefact import Artefact
from engines.benchmark import Contestant, Timing, take_turns
from engines.certification.certificate import Judgement
from engines.certification.certify import ReferenceFinder, certify
from engines.certification.picture_set import PictureSet, drawn_set, folder_set
from engines.certification.probe import batch_of, probe_inputs
from engines.engine import Precision
from engines.engine_options import EngineOptions
from engines.open_engine import EngineName, open_engine
from engines.openvino_engine import graph_gflop, openvino_precisions
from engines.zoo_models import find_model
from stream.clock import SystemClock
from tests.bench.report import Figure, write_report

Entry = tuple[EngineName, Precision, int]
PLAIN: Entry = (EngineName.ONNXRUNTIME, Precision.FP32, 1)


def entries() -> list[Entry]:
    """What takes part: the plain one first, then OpenVINO in each precision and batch."""
    some = [
        (EngineName.OPENVINO, precision, batch)
        for precision in openvino_precisions()
        for batch in (1, 8)
    ]
    return [PLAIN, (EngineName.ONNXRUNTIME, Precision.FP32, 8), *some]


def open_all(
    artefact: Artefact, wanted: Sequence[Entry], pictures: PictureSet, close_last: ExitStack
) -> tuple[list[Contestant], list[dict[str, Any]]]:
    """The engines, each proven to find the reference's people; and those proofs."""
    canvas, clock = artefact.manifest.canvases[0], SystemClock()
    inputs = probe_inputs(artefact.manifest, pictures, canvas)
    finder = ReferenceFinder(artefact)
    contestants, proofs = [], []
    for name, precision, batch in wanted:
        options = EngineOptions(batches=(batch,))
        opened = close_last.enter_context(
            closing(
                open_engine(
                    artefact, engine=name, canvas=canvas, precision=precision, options=options
                )
            )
        )
        certificate = certify([opened], artefact, pictures, finder, clock)
        if certificate.verdict is Judgement.FAILED:
            sys.exit(f"not timed: {certificate.in_words}: {'; '.join(certificate.reasons)}")
        title = f"{name} {precision} batch {batch}"
        contestants.append(Contestant(title, opened, batch_of(inputs, batch)))
        proofs.append({"engine": title, "agreement": dict(certificate.agreement)})
    return contestants, proofs


def ratio(of: Timing, over: Timing) -> Figure:
    """The median of the rounds, and their quartiles."""
    rounds = of.speed_up_over(over)
    low, high = np.quantile(rounds, [0.25, 0.75])
    name = f"{of.name} against {over.name}, per image"
    return Figure(name, float(np.median(rounds)), "x", quartiles=(float(low), float(high)))


def figures(timings: dict[str, Timing]) -> list[Figure]:
    """Each against the plain one, and each batch of 8 against its batch of 1."""
    plain = timings[f"{PLAIN[0]} {PLAIN[1]} batch {PLAIN[2]}"]
    singles = [name for name in timings if name.endswith("batch 1")]
    return [
        *(ratio(timings[name], plain) for name in singles if timings[name] is not plain),
        *(ratio(timings[name[:-1] + "8"], timings[name]) for name in singles),
    ]


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pictures", type=Path, default=None)
    arguments = parser.parse_args()
    artefact = find_model(arguments.model)
    canvas = artefact.manifest.canvases[0]
    pictures = folder_set(arguments.pictures, 32) if arguments.pictures else drawn_set()
    with ExitStack() as close_last:
        contestants, proofs = open_all(artefact, entries(), pictures, close_last)
        timings = take_turns(contestants, arguments.seconds, SystemClock())
    details = {
        "model": artefact.manifest.name,
        "onnx_sha256": artefact.manifest.onnx_sha256,
        "canvas": canvas,
        "gflop_per_image": round(graph_gflop(artefact, canvas), 3),
        "isa_limit": os.environ.get("ONEDNN_MAX_CPU_ISA", "none"),
        "proofs": proofs,
        "engines": [
            {
                "name": one.name,
                "rounds": len(one.seconds),
                "p50_ms": round(one.quantile_ms(0.5), 2),
                "p95_ms": round(one.quantile_ms(0.95), 2),
                "images_per_second": round(one.images_per_second, 2),
            }
            for one in timings
        ],
    }
    found = figures({timing.name: timing for timing in timings})
    write_report("engine_pairs", found, details, arguments.out)


if __name__ == "__main__":
    main()
