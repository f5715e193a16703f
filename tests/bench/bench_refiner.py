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
from dataclasses import replace
from pathlib import Path
from typing import Any

from builders.evaluation.labels import Labels, labelled_set, read_labels
from builders.evaluation.people import People
from tests.bench.bench_models import TRUTH, Row
from tests.bench.bench_views import (
    DRAWS,
    PART,
    SETS,
    VIEWS,
    Found,
    compared,
    found_by,
    numbered,
    pooled,
    precisions,
)
from tests.bench.report import RESULTS, Figure, circumstances, write_report

ALONE = "lspet"
"""One person a picture."""
BEFORE, AFTER = "AP before", "AP after"


def parts(sets: Sequence[Labels], alone: Labels) -> dict[str, Labels]:
    """Labels by what they are called, with the views that are shown."""
    return {" + ".join(SETS): pooled(sets), ALONE: pooled([alone], VIEWS[:1])}


def together(
    found: Mapping[str, Found], measured: Mapping[str, Labels]
) -> tuple[Labels, dict[int, People]]:
    """All parts as one set, and what was found in it; ids grow by `PART` with each part."""
    pictures, people = [], []
    everything: dict[int, People] = {}
    for number, (part, labels) in enumerate(measured.items()):
        added = number * PART
        pictures += [each | {"id": added + each["id"]} for each in labels.pictures]
        people += [each | {"image_id": added + each["image_id"]} for each in labels.people]
        everything |= {added + known: each for known, each in found[part].items()}
    first = next(iter(measured.values()))
    return replace(first, pictures=tuple(pictures), people=numbered(people)), everything


def gains(
    before: Mapping[str, Found],
    after: Mapping[str, Found],
    measured: Mapping[str, Labels],
    draws: int = DRAWS,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of each part and of all together: AP before and after, the difference and its interval."""
    for some in (*({part: labels} for part, labels in measured.items()), measured):
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
