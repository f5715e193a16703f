"""Average precision over several views of the same pictures, once with everybody in them known.

    python -m tests.bench.bench_views --shared FOLDER --out FILE.json
        [--model DETECTOR+TOP_DOWN ...] [--peer NAME ...] [--engine openvino/bf16] [--threads 1]

A few levels of a few pixels move the AP of 97 people by a hundredth. So each system sees each
picture four times: as it is, mirrored, smaller, and mirrored and larger; all views are one set
(`coco_kp/val` and `mixed_val` together), and differences between systems come with the interval
that 95 % of draws of pictures with return have. `mixed_val` labels only some of the people in its
pictures: `unlabelled_people.json` marks the others, who are then neither found nor false, as COCO
does it with people without joints. Boxes of labels (`truth+`) are not shown: they would not fit the
views.
"""

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from builders.evaluation.coco_eval import PredictShown, keypoint_evaluation, quiet
from builders.evaluation.flip_test import mirrored_people, mirrored_rgb
from builders.evaluation.labels import LabelledSet, Labels, Record, labelled_set, read_labels
from builders.evaluation.peers import PEERS
from builders.evaluation.people import People, Rgb, read_rgb
from tests.bench.bench_models import TRUTH, Row, opened
from tests.bench.report import Figure, write_report

SETS = ("coco_kp", "mixed_val")
UNLABELLED = Path(__file__).parent / "unlabelled_people.json"
DRAWS = 1000
VIEW, PART = 1000, 1_000_000
"""Steps of ids from one view of a picture to the next, and from one part of several to the next."""
DIFFERENCES, OVER = "differences, 95 % of draws of pictures", " over "
"""How the file calls them."""
Found = Mapping[int, People]


@dataclass(frozen=True, slots=True)
class View:
    """How a picture is shown."""

    mirrored: bool
    scale: float

    def of(self, rgb: Rgb) -> Rgb:
        """The picture, so shown."""
        shown = mirrored_rgb(rgb) if self.mirrored else rgb
        if self.scale == 1:
            return shown
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(shown, None, fx=self.scale, fy=self.scale, interpolation=how))

    def back(self, people: People, width: int, labels: Labels) -> People:
        """People of the view in pixels of the picture, which is so wide."""
        keypoints, scores = people
        moved = keypoints.copy()
        # Pixels have their middle at integers, pictures their edge half a pixel before.
        moved[..., :2] = (moved[..., :2] + 0.5) / self.scale - 0.5
        whole = (moved, scores)
        return mirrored_people(whole, width, labels.skeleton) if self.mirrored else whole


VIEWS = (View(False, 1.0), View(True, 1.0), View(False, 0.87), View(True, 1.15))


def with_unlabelled(labels: Labels, marked: Mapping[str, Any]) -> Labels:
    """Labels with those whom they leave out as people without joints.

    Args:
        labels: of pictures.
        marked: content of `unlabelled_people.json`.
    """
    added = [
        unlabelled(picture["id"], box, crowd=crowd)
        for picture in labels.pictures
        for box, crowd in boxes_of(picture["file_name"], marked)
    ]
    return replace(labels, people=numbered([*labels.people, *added]))


def boxes_of(file_name: str, marked: Mapping[str, Any]) -> Iterator[tuple[Sequence[float], bool]]:
    """Boxes x, y, w, h of a picture, and whether more than one may stand in each."""
    for box in marked["people"].get(file_name, ()):
        yield box, False
    for crowd in marked["crowds"].get(file_name, ()):
        for box in tiles(crowd["region"], crowd["person"]):
            yield box, True


def tiles(region: Sequence[float], person: Sequence[float]) -> Iterator[Sequence[float]]:
    """Boxes about as large as one person that fill a region: COCO looks around boxes of people
    without joints as far as they are large."""
    x, y, w, h = region
    columns, rows = (max(1, round(w / person[0])), max(1, round(h / person[1])))
    for column, row in itertools.product(range(columns), range(rows)):
        yield x + column * w / columns, y + row * h / rows, w / columns, h / rows


def unlabelled(image_id: int, box: Sequence[float], *, crowd: bool) -> Record:
    """A person without joints."""
    return {
        "image_id": image_id,
        "category_id": 1,
        "bbox": list(box),
        "area": box[2] * box[3],
        "iscrowd": int(crowd),
        "num_keypoints": 0,
        "keypoints": [0] * 51,
    }


def pooled(sets: Sequence[Labels], views: Sequence[View] = VIEWS) -> Labels:
    """All sets and views as one set; view v of picture n of the sets has the id v * `VIEW` + n."""
    pictures, people = [], []
    for view in range(len(views)):
        for number, (labels, picture) in enumerate(every_picture(sets)):
            known = view * VIEW + number
            pictures.append({"id": known, "file_name": picture["file_name"]})
            people += [
                dict(person) | {"image_id": known}
                for person in labels.people
                if person["image_id"] == picture["id"]
            ]
    nowhere = LabelledSet(Path("views"), Path("views"))
    return Labels(nowhere, tuple(pictures), numbered(people), sets[0].skeleton)


def numbered(people: Sequence[Record]) -> tuple[Record, ...]:
    """Records with ids from 1 on."""
    return tuple(person | {"id": number} for number, person in enumerate(people, start=1))


def every_picture(sets: Sequence[Labels]) -> Iterator[tuple[Labels, Record]]:
    """Pictures of all sets in turn."""
    return ((labels, picture) for labels in sets for picture in labels.pictures)


def found_by(
    row: Row, shared: Path, sets: Sequence[Labels], views: Sequence[View] = VIEWS
) -> dict[int, People]:
    """What a system finds in views, the first of all or all of them, by the ids of `pooled`."""
    found: dict[int, People] = {}
    first = 0
    for labels in sets:
        with opened(row, shared, labels) as predict:
            for number, picture in enumerate(labels.pictures, start=first):
                rgb = read_rgb(labels.source.images / picture["file_name"])
                for view, people in enumerate(in_views(predict, picture["id"], rgb, labels, views)):
                    found[view * VIEW + number] = people
        first += len(labels.pictures)
    return found


def in_views(
    predict: PredictShown, image_id: int, rgb: Rgb, labels: Labels, views: Sequence[View]
) -> Iterator[People]:
    """People of a picture as they are found in each view, in its own pixels."""
    for view in views:
        yield view.back(predict(image_id, view.of(rgb)), rgb.shape[1], labels)


class Precision:
    """AP of what a system found, over all pictures or over any draw of them."""

    def __init__(self, labels: Labels, found: Found) -> None:
        self._evaluation = keypoint_evaluation(labels, found)
        params = self._evaluation.params
        params.areaRng, params.areaRngLbl = [[0, 1e10]], ["all"]
        with quiet():
            self._evaluation.evaluate()
        self._by_picture = dict(zip(params.imgIds, self._evaluation.evalImgs, strict=True))

    def of(self, pictures: Sequence[int]) -> float:
        """AP over pictures by id, each as often as it is named."""
        evaluation = self._evaluation
        evaluation.evalImgs = [self._by_picture[picture] for picture in pictures]
        evaluation.params.imgIds = list(range(len(pictures)))
        evaluation._paramsEval.imgIds = evaluation.params.imgIds
        with quiet():
            evaluation.accumulate()
        precision = evaluation.eval["precision"]
        return float(precision[precision > -1].mean())


def drawn_pictures(count: int, draws: int) -> Iterator[NDArray[np.int64]]:
    """Pictures by number with return: first each once, then at random."""
    random = np.random.default_rng(0)
    yield np.arange(count)
    for _ in range(draws):
        yield random.integers(0, count, count)


def views_of(labels: Labels) -> list[list[int]]:
    """Ids of the views of each picture."""
    own: dict[tuple[int, int], list[int]] = defaultdict(list)
    for picture in labels.pictures:
        part, known = divmod(picture["id"], PART)
        own[part, known % VIEW].append(picture["id"])
    return list(own.values())


def precisions(labels: Labels, found: Found, draws: int = DRAWS) -> NDArray[np.float64]:
    """(1 + draws,) AP of all pictures, then of each draw; a picture comes with all its views."""
    precision, own = Precision(labels, found), views_of(labels)
    return np.array(
        [
            precision.of([one for n in drawn for one in own[n]])
            for drawn in drawn_pictures(len(own), draws)
        ]
    )


def compared(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> dict[str, Any]:
    """Difference, and where 95 % of the draws have it."""
    low, high = np.quantile((ours - theirs)[1:], (0.025, 0.975))
    return {
        "difference": round(float(ours[0] - theirs[0]), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "share of draws above": round(float(((ours - theirs)[1:] > 0).mean()), 3),
    }


def main() -> None:
    """Measures all systems and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--peer", action="append", choices=list(PEERS), default=[])
    parser.add_argument("--engine", default="openvino/bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    if any(system.startswith(TRUTH) for system in (*options.model, *options.peer)):
        parser.error(f"{TRUTH}: labelled boxes do not fit the views")
    sets = [read_labels(labelled_set(options.shared, name, "val")) for name in SETS]
    marked = json.loads(UNLABELLED.read_text("utf-8"))
    truths = {
        "as labelled": pooled(sets),
        "everybody known": pooled([with_unlabelled(labels, marked) for labels in sets]),
    }
    found = {}
    for system in (*options.model, *options.peer):
        row = Row(system, options.engine, options.threads, SETS[0])
        found[row.name] = found_by(row, options.shared, sets)
    figures, differences = [], {}
    ours = [name for name in found if name not in PEERS]
    for words, labels in truths.items():
        by_system = {name: precisions(labels, people) for name, people in found.items()}
        figures += [Figure(f"AP of {name}, {words}", by_system[name][0], "AP") for name in found]
        differences[words] = {
            f"{one}{OVER}{peer}": compared(by_system[one], by_system[peer])
            for one in ours
            for peer in options.peer
        }
    details = {
        "engine": options.engine,
        "views": [f"{'mirrored, ' * view.mirrored}x {view.scale}" for view in VIEWS],
        "sets": list(SETS),
        DIFFERENCES: differences,
    }
    write_report("views", figures, details, options.out)


if __name__ == "__main__":
    main()
