"""What accuracy is left when pictures get worse, and who is seen where nobody is.

    python -m tests.bench.bench_robustness --shared FOLDER --out FILE.json
        [--model bottom_up] [--peer movenet_multipose_256] [--fault blur ...] [--again]

On coco_kp/val and mixed_val together, 48 pictures; false people on those ten that show nobody, at
the score from which the system's poses count. A system and a fault are one row of the file; rows
that are there are not measured again without `--again`.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builders.evaluation.coco_eval import PredictShown, average_precision
from builders.evaluation.labels import Labels, Record, labelled_set, read_labels
from builders.evaluation.people import People, read_rgb
from builders.evaluation.robustness import FAULTS, Scene, worse
from stream.clock import SystemClock
from tests.bench.bench_models import Row, opened, person_score
from tests.bench.report import RESULTS, Figure, circumstances, make_report

SETS = ("coco_kp", "mixed_val")
ID_STEP = 10_000_000
"""Between the ids of two sets."""


def all_scenes(shared: Path) -> tuple[Labels, dict[int, Scene]]:
    """Labels of both sets as one, and the pictures by id."""
    pictures: list[Record] = []
    people: list[Record] = []
    scenes: dict[int, Scene] = {}
    for number, name in enumerate(SETS):
        labels = read_labels(labelled_set(shared, name, "val"))
        shift = number * ID_STEP
        own = [person | {"image_id": person["image_id"] + shift} for person in labels.people]
        for picture in labels.pictures:
            picture_id = picture["id"] + shift
            pictures.append(picture | {"id": picture_id})
            rgb = read_rgb(labels.source.images / picture["file_name"])
            those = tuple(person for person in own if person["image_id"] == picture_id)
            scenes[picture_id] = Scene(rgb, those)
        people += own
    return Labels(labels.source, tuple(pictures), _numbered(people), labels.skeleton), scenes


def _numbered(people: list[Record]) -> tuple[Record, ...]:
    return tuple(person | {"id": number} for number, person in enumerate(people, start=1))


def measure(
    predict: PredictShown, fault_name: str, least: float, shared: Path
) -> list[dict[str, float]]:
    """Level, AP and false people, level by level."""
    labels, scenes = all_scenes(shared)
    fault = FAULTS[fault_name]
    rows = []
    for level in fault.levels:
        changed = {i: worse(scene, fault, level, seed=i) for i, scene in scenes.items()}
        found = {i: predict(i, scene.rgb) for i, scene in changed.items()}
        people = _numbered([person for scene in changed.values() for person in scene.people])
        now = Labels(labels.source, labels.pictures, people, labels.skeleton)
        empty = {i for i, scene in scenes.items() if not scene.people}
        rows.append(
            {
                "level": level,
                "AP": round(average_precision(now, found), 4),
                "false people": _seen(found, empty, least),
                "empty pictures": len(empty),
                "people found": _seen(found, set(found) - empty, least),
            }
        )
    return rows


def _seen(found: Mapping[int, People], where: set[int], least: float) -> int:
    return sum(int((found[i][1] >= least).sum()) for i in where)


def figures_of(rows: Mapping[str, Any]) -> list[Figure]:
    """AP at the first and the last level, and false people over all levels."""
    figures = []
    for key, row in sorted(rows.items()):
        levels = row["levels"]
        figures.append(Figure(f"AP of {key} {levels[0]['level']}", levels[0]["AP"], ""))
        figures.append(Figure(f"AP of {key} {levels[-1]['level']}", levels[-1]["AP"], ""))
        ghosts = sum(level["false people"] for level in levels)
        figures.append(Figure(f"False people of {key}, all levels", ghosts, ""))
    return figures


def main() -> None:
    """Measures what is not there and writes after each row."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--fault", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--engine", default="openvino/bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS / "robustness.json")
    options = parser.parse_args()
    rows: dict[str, Any] = {}
    if options.out.is_file():
        rows = json.loads(options.out.read_text("utf-8"))["details"]["rows"]
    for system in [*options.model, *options.peer]:
        row = Row(system, options.engine, options.threads, "coco_kp")
        missing = [f for f in options.fault if options.again or f"{row.name}, {f}" not in rows]
        labels = read_labels(labelled_set(options.shared, "coco_kp", "val"))
        with opened(row, options.shared, labels) as predict:
            for fault in missing:
                levels = measure(predict, fault, person_score(system), options.shared)
                rows[f"{row.name}, {fault}"] = {
                    "system": row.name,
                    "fault": fault,
                    "engine": row.engine,
                    "min_score": person_score(system),
                    "commit": circumstances()["commit"],
                    "levels": levels,
                }
                report = make_report("robustness", figures_of(rows), {"rows": rows}, SystemClock())
                options.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
                sys.stdout.write(f"{row.name}, {fault}: {levels}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
