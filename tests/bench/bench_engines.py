"""Milliseconds a picture of each engine, precision and batch, after checking that they agree.

    python -m tests.bench.bench_engines --pictures FOLDER [--model bottom_up] [--out FILE.json]

All engines are open at once and take turns, so a busy neighbour slows all of them alike; compare
ratios within one run. Fp32 engines that disagree end the run with exit code 1 and no numbers.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact, Manifest
from engines.decoding.suppression import suppress_doubles
from engines.engine import Engine, Precision, Tensors
from engines.open_engine import EngineName, open_engine
from engines.openvino_engine import openvino_precisions
from engines.zoo_models import find_model
from stream.clock import SystemClock
from stream.geometry import letterbox
from stream.picture import picture_from_rgb, to_canvas
from stream.skeleton import SKELETONS
from tests.bench.report import Figure, write_report

BATCHES = (1, 4, 8)
CLOSE_PX = 0.5
"""Fp32 engines must agree within this on every seen joint of every person."""
SEEN = 0.2


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the people of one engine differ from those of the reference."""

    people: int
    missed: int
    extra: int
    median_px: float
    p95_px: float
    worst_px: float


def load_canvases(folder: Path, canvas: tuple[int, int], count: int) -> NDArray[np.uint8]:
    """(count, H, W, 3) the first pictures of a folder on the canvas."""
    canvases = []
    for path in sorted(folder.rglob("*.jpg"))[:count]:
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type]
        picture = picture_from_rgb(rgb.astype(np.uint8))
        place = letterbox(picture.width, picture.height, *canvas)
        canvases.append(to_canvas(picture, place))
    if len(canvases) < count:
        sys.exit(f"{folder}: expected {count} JPEG pictures or more, got {len(canvases)}")
    return np.stack(canvases)


def people_of(outputs: Tensors, manifest: Manifest) -> list[NDArray[np.float32]]:
    """(N, 17, 3) of each picture, doubles suppressed."""
    keypoints, scores = (outputs[name].astype(np.float32) for name in ("keypoints", "scores"))
    sigmas = SKELETONS[manifest.skeleton].sigmas
    kept = suppress_doubles(keypoints, scores, manifest.thresholds, sigmas)
    return [poses[indices] for poses, indices in zip(keypoints, kept, strict=True)]


def agreement(
    reference: Sequence[NDArray[np.float32]], others: Sequence[NDArray[np.float32]]
) -> Agreement:
    """Each person of the reference with the nearest (median joint) of the other, within 10 px."""
    apart: list[NDArray[np.float32]] = []
    missed = 0
    for people, found in zip(reference, others, strict=True):
        for person in people:
            distances = np.linalg.norm(found[..., :2] - person[None, :, :2], axis=-1)  # (N, 17)
            middle = np.median(distances, axis=1)
            if not middle.size or middle.min() > 10:
                missed += 1
            else:
                # Two people may share most joints: of those as near the nearer on the whole.
                nearest = np.lexsort((distances.mean(axis=1), middle))[0]
                apart.append(distances[nearest][person[:, 2] >= SEEN])
    total = sum(map(len, reference))
    pixels = np.concatenate(apart) if apart else np.zeros(1, np.float32)
    centre, tail, worst = (round(float(np.percentile(pixels, p)), 4) for p in (50, 95, 100))
    extra = sum(map(len, others)) - (total - missed)
    return Agreement(total, missed, extra, centre, tail, worst)


def open_all(
    artefact: Artefact, canvas: tuple[int, int], threads: int | None
) -> dict[tuple[EngineName, Precision], Engine]:
    """Every engine in every precision it has here; the fp32 of ONNX Runtime is the reference."""
    wanted = [(EngineName.ONNXRUNTIME, Precision.FP32)]
    wanted += [(EngineName.OPENVINO, precision) for precision in openvino_precisions()]
    return {
        (name, precision): open_engine(
            artefact, engine=name, canvas=canvas, threads=threads, precision=precision
        )
        for name, precision in wanted
    }


def agreements(
    opened: dict[tuple[EngineName, Precision], Engine],
    pictures: NDArray[np.uint8],
    manifest: Manifest,
) -> dict[tuple[EngineName, Precision], Agreement]:
    """Of each engine with the first."""
    people = {
        key: people_of(engine.infer({"canvas": pictures}), manifest)
        for key, engine in opened.items()
    }
    reference = next(iter(people.values()))
    return {key: agreement(reference, found) for key, found in people.items()}


def disagreements(found: dict[tuple[EngineName, Precision], Agreement]) -> list[str]:
    """What is wrong with the fp32 engines."""
    return [
        f"{name} {precision}: {result}"
        for (name, precision), result in found.items()
        if precision is Precision.FP32
        and (result.missed or result.extra or result.worst_px > CLOSE_PX)
    ]


def time_engines(
    opened: dict[tuple[EngineName, Precision], Engine], pictures: NDArray[np.uint8], repeats: int
) -> list[dict[str, Any]]:
    """Milliseconds a picture, engines taking turns."""
    clock = SystemClock()
    cases = list(product(opened.items(), BATCHES))
    spent: dict[tuple[EngineName, Precision, int], list[float]] = {}
    for (key, engine), batch in cases * repeats:
        start = clock.monotonic()
        engine.infer({"canvas": pictures[:batch]})
        milliseconds = (clock.monotonic() - start) * 1000 / batch
        spent.setdefault((*key, batch), []).append(milliseconds)
    return [
        {
            "engine": name,
            "precision": precision,
            "batch": batch,
            "median_ms_per_picture": round(median(times), 2),
            "least_ms_per_picture": round(min(times), 2),
        }
        for (name, precision, batch), times in spent.items()
    ]


def figures(model: str, times: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """One for each engine, precision and batch; the README shows single pictures."""
    return [
        Figure(
            f"{model}, {one['engine']} {one['precision']}, batch {one['batch']}",
            one["median_ms_per_picture"],
            "ms a picture",
            readme=one["batch"] == 1,
        )
        for one in times
    ]


def parsed_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--pictures", type=Path, required=True, help="folder with JPEG pictures")
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--count", type=int, default=24, help="pictures compared")
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


def main() -> None:
    """Compares, then times, then writes."""
    arguments = parsed_arguments()
    artefact = find_model(arguments.model)
    canvas = artefact.manifest.canvases[0]
    pictures = load_canvases(arguments.pictures, canvas, arguments.count)
    opened = open_all(artefact, canvas, arguments.threads)
    compared = agreements(opened, pictures, artefact.manifest)
    if wrong := disagreements(compared):
        sys.exit("engines disagree in fp32: " + "; ".join(wrong))
    times = time_engines(opened, pictures, arguments.repeats)
    details = {
        "model": artefact.manifest.name,
        "onnx_sha256": artefact.manifest.onnx_sha256,
        "canvas": canvas,
        "engines": [asdict(engine.spec) for engine in opened.values()],
        "agreement_with_first": [
            {"engine": name, "precision": precision, **asdict(result)}
            for (name, precision), result in compared.items()
        ],
        "times": times,
    }
    write_report("engines", figures(artefact.manifest.name, times), details, arguments.out)


if __name__ == "__main__":
    main()
