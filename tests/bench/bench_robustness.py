"""What accuracy is left when pictures get worse, and who is seen where nobody is.

    python -m tests.bench.bench_robustness --shared FOLDER --out FILE.json
        [--model bottom_up] [--model truth+TOP_DOWN] [--shipped] [--peer movenet_multipose_256]
        [--fault blur ...] [--again]

On coco_kp/val and mixed_val together, 48 pictures; false people on those ten that show nobody, at
the score from which the system's poses count. A system and a fault are one row of the file; rows
that are there are not measured again without `--again` unless a model is another one now. Who is
given the boxes of everybody (`truth+`) sees nobody where nobody is.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders.evaluation.coco_eval import PredictShown, average_precision
from builders.evaluation.labels import Labels, Record, labelled_set, read_labels
from builders.evaluation.people import People, read_rgb
from builders.evaluation.robustness import FAULTS, PictureFault, Scene, worse
from engines.zoo_models import list_models
from stream.clock import SystemClock
from tests.bench.bench_models import TRUTH, Row, opened, person_score, shipped_systems
from tests.bench.report import RESULTS, Figure, circumstances, make_report

SETS = ("coco_kp", "mixed_val")
MOVES_PEOPLE = ("size", "rotation")
"""Labelled boxes are those of the picture as it was: who is given them is not shown these."""
Level = dict[str, float]
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


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A system among pictures that get worse."""

    predict: PredictShown
    least: float
    """From which score a pose is a person."""
    labels: Labels
    scenes: Mapping[int, Scene]

    def levels(self, fault: PictureFault, unspoiled: Level | None) -> list[Level]:
        """AP and false people, level by level; the first is the same for every fault."""
        first = unspoiled or self.level(fault, fault.levels[0])
        rest = [self.level(fault, level) for level in fault.levels[1:]]
        return [first | {"level": fault.levels[0]}, *rest]

    def level(self, fault: PictureFault, level: float) -> Level:
        """All pictures with a fault."""
        changed = {i: worse(scene, fault, level, seed=i) for i, scene in self.scenes.items()}
        found = {i: self.predict(i, scene.rgb) for i, scene in changed.items()}
        people = _numbered([person for scene in changed.values() for person in scene.people])
        now = Labels(self.labels.source, self.labels.pictures, people, self.labels.skeleton)
        empty = {i for i, scene in self.scenes.items() if not scene.people}
        return {
            "level": level,
            "AP": round(average_precision(now, found), 4),
            "false people": _seen(found, empty, self.least),
            "people found": _seen(found, set(found) - empty, self.least),
        }


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
    parser.add_argument("--shipped", action="store_true")
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
    labels, scenes = all_scenes(options.shared)
    shipped = shipped_systems(list_models()) if options.shipped else []
    for system in [*options.model, *shipped, *options.peer]:
        row = Row(system, options.engine, options.threads, "coco_kp")
        if not options.again:
            rows = without_former(rows, row)
        if not options.again and all(f"{row.name}, {one}" in rows for one in options.fault):
            continue
        with opened(row, options.shared, labels) as predict:
            spoiled = Spoiled(predict, person_score(system), labels, scenes)
            for fault in options.fault:
                known_already = f"{row.name}, {fault}" in rows and not options.again
                if known_already or (system.startswith(TRUTH) and fault in MOVES_PEOPLE):
                    continue
                known = [each["levels"][0] for each in rows.values() if each["system"] == row.name]
                unspoiled = known[0] if known and not options.again else None
                rows[f"{row.name}, {fault}"] = {
                    "system": row.name,
                    "fault": fault,
                    "engine": row.engine,
                    **({"models": row.models} if row.models else {}),
                    "min_score": spoiled.least,
                    "commit": circumstances()["commit"],
                    "levels": spoiled.levels(FAULTS[fault], unspoiled),
                }
                write(rows, options.out)


def without_former(rows: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """Without what other models of that name gave."""
    return {
        key: each
        for key, each in rows.items()
        if each["system"] != row.name or each.get("models") == row.models
    }


def write(rows: Mapping[str, Any], out: Path) -> None:
    """The file with a row more; the row is shown."""
    report = make_report("robustness", figures_of(rows), {"rows": rows}, SystemClock())
    out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    newest = list(rows)[-1]
    sys.stdout.write(f"{newest}: {rows[newest]['levels']}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
