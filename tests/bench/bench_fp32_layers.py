"""What it costs and gains to keep a model's `fp32_layers` in fp32 where the rest runs in bf16.

    python -m tests.bench.bench_fp32_layers --shared FOLDER --out FILE.json [--model bottom_up]

The people of bf16, with those layers kept and without, are compared with those of the fp32
reference, on real pictures and on the drawn ones; times are taken in turns, of the processor.
"""

import argparse
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from engines.artefact import Artefact
from engines.certification.agreement import Agreement, compare
from engines.certification.candidates import find_candidates, least_score, sigmas_of
from engines.certification.certificate import judge
from engines.certification.certify import ReferenceFinder
from engines.certification.picture_set import PictureSet, drawn_set, folder_set
from engines.certification.probe import batch_of, probe_inputs
from engines.engine import Engine, Precision
from engines.openvino_engine import open_openvino
from engines.zoo_models import find_model
from tests.bench.bench_models import busy_seconds
from tests.bench.report import Figure, write_report

REAL = ("coco_kp/images/train", "coco128_person_boxes/images/train", "scenes/images/train")
MOST_PICTURES = 32
ROUNDS = 15


def without_marks(artefact: Artefact) -> Artefact:
    """The model as it was before: all of it in bf16."""
    manifest = artefact.manifest.model_copy(update={"fp32_layers": ()})
    return replace(artefact, manifest=manifest)


def picture_sets(shared: Path) -> dict[str, PictureSet]:
    """The drawn people, and real ones."""
    real = {name: folder_set(shared / "labelled" / name, MOST_PICTURES) for name in REAL}
    every_other = real[REAL[0]].part(slice(1, None, 2))
    return {"drawn": drawn_set(), f"{REAL[0]}, those that judge int8": every_other, **real}


def agreements(
    engines: dict[str, Engine], artefact: Artefact, pictures: PictureSet
) -> dict[str, Agreement]:
    """Each engine's people beside the reference's."""
    manifest = artefact.manifest
    people = ReferenceFinder(artefact)(pictures, manifest.canvases[0]).people
    return {
        name: compare(
            people,
            find_candidates(engine, manifest, pictures),
            min_score=least_score(manifest),
            sigmas=sigmas_of(manifest),
        )
        for name, engine in engines.items()
    }


def busy_ms(engines: dict[str, Engine], artefact: Artefact) -> dict[str, float]:
    """Median of the processor's time for a picture, in turns."""
    inputs = probe_inputs(artefact.manifest, drawn_set(), artefact.manifest.canvases[0])
    picture = batch_of(inputs, 1)
    spent: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            began = busy_seconds()
            engine.infer(picture)
            spent[name].append(1000 * (busy_seconds() - began))
    return {name: median(each) for name, each in spent.items()}


def measured(
    engines: dict[str, Engine], artefact: Artefact, shared: Path
) -> tuple[list[Figure], dict[str, Any]]:
    """Figures, and all that the certificates would say."""
    figures: list[Figure] = []
    told: dict[str, Any] = {}
    for part, pictures in picture_sets(shared).items():
        for name, found in agreements(engines, artefact, pictures).items():
            verdict, reasons = judge(found, artefact.manifest.agreement_limits)
            told[f"{part}, {name}"] = asdict(found) | {"verdict": verdict, "reasons": reasons}
            figures.append(Figure(f"OKS with fp32, {part}, {name}", found.mean_oks, ""))
    times = busy_ms(engines, artefact)
    figures += [Figure(f"Processor time, {name}", value, "ms") for name, value in times.items()]
    return figures, told


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    artefact = find_model(options.model)
    canvas = artefact.manifest.canvases[0]
    with (
        closing(_opened(without_marks(artefact), canvas)) as plain,
        closing(_opened(artefact, canvas)) as kept,
    ):
        engines = {"all in bf16": plain, "fp32_layers kept": kept}
        figures, told = measured(engines, artefact, options.shared)
    details = {"model": options.model, "fp32_layers": artefact.manifest.fp32_layers}
    write_report("fp32_layers", figures, {**details, "agreement": told}, options.out)


def _opened(artefact: Artefact, canvas: tuple[int, int]) -> Engine:
    return open_openvino(artefact, canvas=canvas, threads=1, precision=Precision.BF16)


if __name__ == "__main__":
    main()
