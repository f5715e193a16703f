"""What a refiner adds to the poses of models, with intervals.

    python -m tests.bench.bench_refiner --shared FOLDER --model bottom_up
        [--model DETECTOR+TOP_DOWN ...] [--refiner posefix] [--engine openvino/bf16]
        [--threads 1] [--out FILE.json]

`coco_kp/val` and `mixed_val` are shown in four views as in `bench_views`, `lspet/val` as it is; AP
before and after, and where 95 % of draws of pictures with return have the difference: of both small
sets together, of `lspet/val`, and of all three. Weak people are refined, too, as AP wants it. What
the file holds of other models stays.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.evaluation.labels import Labels, labelled_set, read_labels
from builders.evaluation.people import People
from tests.bench.bench_models import TRUTH, Row
from tests.bench.bench_views import (
    SETS,
    VIEWS,
    Found,
    Precision,
    compared,
    drawn_pictures,
    found_by,
    pooled,
)
from tests.bench.report import RESULTS, Figure, circumstances, write_report

ALONE = "lspet"
"""One person a picture."""
DRAWS = 1000
BEFORE, AFTER = "AP before", "AP after"


def parts(sets: Sequence[Labels], alone: Labels) -> dict[str, tuple[Labels, int]]:
    """Labels by what they are called, each with how many views its pictures have."""
    return {" + ".join(SETS): (pooled(sets), len(VIEWS)), ALONE: (pooled([alone]), 1)}


def together(
    found: Mapping[str, Found], measured: Mapping[str, tuple[Labels, int]]
) -> tuple[Labels, Found, list[list[int]]]:
    """All parts as one set; and the ids of each picture's views.

    Pictures of the second part get ids above those of the first.
    """
    pictures, people, own = [], [], []
    everything: dict[int, People] = {}
    for number, (part, (labels, views)) in enumerate(measured.items()):
        added = number * 1_000_000
        count = len(labels.pictures) // len(VIEWS)
        shown = [[view * 1000 + n for view in range(views)] for n in range(count)]
        known = {one for ids in shown for one in ids}
        own += [[added + one for one in ids] for ids in shown]
        pictures += [p | {"id": added + p["id"]} for p in labels.pictures if p["id"] in known]
        people += [
            p | {"image_id": added + p["image_id"], "id": added + p["id"]}
            for p in labels.people
            if p["image_id"] in known
        ]
        everything |= {added + one: found[part][one] for one in known}
    first = next(iter(measured.values()))[0]
    whole = Labels(first.source, tuple(pictures), tuple(people), first.skeleton)
    return whole, everything, own


def precisions(
    labels: Labels, found: Found, own: Sequence[Sequence[int]], draws: int = DRAWS
) -> NDArray[np.float64]:
    """(1 + draws,) AP of all pictures, then of each draw; a picture comes with all its views."""
    precision = Precision(labels, found)
    return np.array(
        [
            precision.of([one for n in drawn for one in own[n]])
            for drawn in drawn_pictures(len(own), draws)
        ]
    )


def gains(
    before: Mapping[str, Found],
    after: Mapping[str, Found],
    measured: Mapping[str, tuple[Labels, int]],
    draws: int = DRAWS,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of each part and of all together: AP before and after, the difference and its interval."""
    chosen = [{part: measured[part]} for part in measured]
    for some in (*chosen, measured):
        aps = [precisions(*together(found, some), draws) for found in (before, after)]
        values = {BEFORE: round(float(aps[0][0]), 4), AFTER: round(float(aps[1][0]), 4)}
        yield " + ".join(some), values | compared(aps[1], aps[0])


def main() -> None:
    """Measures the models and adds them to the file."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--refiner", default="posefix")
    parser.add_argument("--engine", default="openvino/bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS / "refiner.json")
    options = parser.parse_args()
    if any(model.startswith(TRUTH) for model in options.model):
        parser.error(f"{TRUTH}: labelled boxes do not fit the views")
    sets = [read_labels(labelled_set(options.shared, name, "val")) for name in SETS]
    alone = read_labels(labelled_set(options.shared, ALONE, "val"))
    measured = parts(sets, alone)
    rows: dict[str, Any] = {}
    if options.out.is_file():
        rows = json.loads(options.out.read_text("utf-8"))["details"]["models"]
    for model in options.model:
        found = []
        for system in (model, f"{model}+{options.refiner}"):
            row = Row(system, options.engine, options.threads, SETS[0])
            several = found_by(row, options.shared, sets)
            single = found_by(row, options.shared, [alone], VIEWS[:1])
            found.append(dict(zip(measured, (several, single), strict=True)))
        rows[row.name] = {
            "models": row.models,
            "engine": options.engine,
            "commit": circumstances()["commit"],
            **dict(gains(found[0], found[1], measured)),
        }
        figures = [
            Figure(f"Gain of AP, {name}, {part}", gain["difference"], "AP")
            for name, known in sorted(rows.items())
            for part, gain in known.items()
            if isinstance(gain, dict)
        ]
        write_report("refiner", figures, {"models": rows}, options.out)


if __name__ == "__main__":
    main()
