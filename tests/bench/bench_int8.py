"""What int8 gains and costs on this processor, beside fp32 and bf16, as a file for `results/`.

    python -m tests.bench.bench_int8 --shared FOLDER --out FILE.json [--model NAME] [--seconds N]

int8 here has every dense convolution quantised: the most that can be gained. Whether a choice of
layers holds the model's limits is for `posestream build --precision int8` to say; nothing is
refused here. All take turns, and ratios are taken round by round. Ranges come from pictures that
nobody is judged by.
"""

import argparse
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from builders.calibration import Calibration, new_calibration
from builders.evaluation.coco_eval import evaluate
from builders.evaluation.labels import labelled_set
from builders.evaluation.people import predict_with
from builders.evaluation.report import SETS
from builders.evaluation.systems import with_weak_people
from builders.openvino_int8 import quantisable_convolutions, write_unjudged_graph
from engines.artefact import Artefact
from engines.benchmark import Contestant, take_turns
from engines.certification.agreement import compare
from engines.certification.candidates import find_candidates, least_score, sigmas_of
from engines.certification.picture_set import PictureSet, folder_set
from engines.certification.probe import probe_inputs
from engines.engine import Engine, Precision
from engines.engine_options import EngineOptions
from engines.engine_store import EngineStore
from engines.estimator import OnePassEstimator
from engines.openvino_engine import open_openvino, openvino_precisions, quantised_key
from engines.zoo_models import find_model
from stream.clock import SystemClock
from tests.bench.bench_engine_pairs import ratio
from tests.bench.report import Figure, write_report

RANGES_FROM = "coco_kp/images/train"
MOST_PICTURES = 32


class Bench:
    """One model, its int8 graph in a store of its own."""

    def __init__(self, artefact: Artefact, shared: Path, folder: Path) -> None:
        self.artefact, self.shared = artefact, shared
        self.pictures = folder_set(shared / "labelled" / RANGES_FROM, MOST_PICTURES)
        self.calibration: Calibration = new_calibration(artefact, self.pictures)
        self.store = EngineStore(folder)
        self.layers = quantisable_convolutions(artefact)
        self.store.build(quantised_key(artefact), self._write)

    def _write(self, folder: Path) -> dict[str, str]:
        write_unjudged_graph(self.calibration, self.layers, folder)
        return {}

    def open(self, precision: Precision, canvas: tuple[int, int], threads: int = 1) -> Engine:
        options = EngineOptions((1,), self.store)
        return open_openvino(
            self.artefact, canvas=canvas, threads=threads, precision=precision, options=options
        )

    def agreement(self, engine: Engine) -> dict[str, Any]:
        """With fp32, on the pictures that gave no ranges."""
        manifest = self.artefact.manifest
        found = find_candidates(engine, manifest, self.calibration.judged)
        return asdict(
            compare(
                self.calibration.people,
                found,
                min_score=least_score(manifest),
                sigmas=sigmas_of(manifest),
            )
        )

    def average_precision(self, precision: Precision, name: str) -> float:
        """On all pictures of `NAME/val`."""
        estimator = OnePassEstimator(
            with_weak_people(self.artefact),
            lambda canvas: self.open(precision, canvas),
            clock=SystemClock(),
        )
        with closing(estimator):
            labelled = labelled_set(self.shared, name, "val")
            return evaluate(predict_with(estimator), labelled)["AP"]


def measured(bench: Bench, seconds: float) -> tuple[list[Figure], dict[str, Any]]:
    """Speed in turns, agreement and AP of every precision."""
    precisions = [*openvino_precisions(), Precision.INT8]
    canvas = bench.calibration.canvas
    [row] = _first_row(bench.artefact, bench.calibration.judged, canvas)
    with ExitStack() as close_last:
        contestants = [
            Contestant(one, close_last.enter_context(closing(bench.open(one, canvas))), row)
            for one in precisions
        ]
        timings = {one.name: one for one in take_turns(contestants, seconds, SystemClock())}
        agreements = {one.name: bench.agreement(one.engine) for one in contestants}
    best = timings[precisions[0]]
    figures = [ratio(timings[one], best) for one in precisions[1:]]
    for name in SETS:
        figures += [
            Figure(f"AP of {one} on {name}/val", bench.average_precision(one, name), "")
            for one in precisions
        ]
    p50 = {name: round(one.quantile_ms(0.5), 2) for name, one in timings.items()}
    rounds = {name: len(one.seconds) for name, one in timings.items()}
    return figures, {"p50_ms_one_thread": p50, "rounds": rounds, "agreement": agreements}


def _first_row(
    artefact: Artefact, pictures: PictureSet, canvas: tuple[int, int]
) -> list[dict[str, Any]]:
    rows = probe_inputs(artefact.manifest, pictures.part(slice(0, 1)), canvas)
    return [{name: values[:1] for name, values in rows.items()}]


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    artefact = find_model(arguments.model)
    with TemporaryDirectory() as folder:
        bench = Bench(artefact, arguments.shared, Path(folder))
        figures, found = measured(bench, arguments.seconds)
    details = {
        "model": artefact.manifest.name,
        "onnx_sha256": artefact.manifest.onnx_sha256,
        "canvas": bench.calibration.canvas,
        "quantised_layers": len(bench.layers),
        "judged_on": bench.calibration.judged.name,
        **found,
    }
    write_report("int8", figures, details, arguments.out)


if __name__ == "__main__":
    main()
