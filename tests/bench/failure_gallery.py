"""Draws the pictures that a system does worst on, to be looked at.

    python -m tests.bench.failure_gallery --shared FOLDER --out FOLDER [--model bottom_up]
        [--set coco_kp] [--worst 12]

Labels are green, people found are red with their scores, from the score on that makes a person.
Most pictures must not be passed on: the folder is for your eyes.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from builders.evaluation.coco_eval import find_people_of
from builders.evaluation.labels import Labels, labelled_set, read_labels
from builders.evaluation.matching import match_people
from builders.evaluation.people import Floats, People, Rgb, read_rgb
from builders.training.scored_poses import oks
from stream.clock import SystemClock
from stream.skeleton import COCO_17
from tests.bench.bench_models import Row, opened, person_score

TRUTH, FOUND = (60, 200, 60), (230, 50, 50)
SEEN = 0.2
LEAST_OKS = 0.1
LEAST_SIDE_PX = 640
"""Smaller pictures are drawn larger."""


def main() -> None:
    """Ranks, draws and tells."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--engine", default="openvino/bf16")
    parser.add_argument("--set", dest="part", default="coco_kp")
    parser.add_argument("--worst", type=int, default=12)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    labels = read_labels(labelled_set(options.shared, options.part, "val"))
    row = Row(options.model, options.engine, 1, options.part)
    with opened(row, options.shared, labels) as predict:
        found = find_people_of(predict, labels, SystemClock()).people
    found = {image: _sure(people, person_score(options.model)) for image, people in found.items()}
    costs = picture_costs(labels, found)
    for place, image in enumerate(sorted(costs, key=lambda each: -costs[each])[: options.worst]):
        picture = next(each for each in labels.pictures if each["id"] == image)
        rgb = drawn(read_rgb(labels.source.images / picture["file_name"]), labels, found, image)
        name = f"{options.part}_{place:02d}_{Path(picture['file_name']).stem}.jpg"
        cv2.imwrite(str(options.out / name), rgb[..., ::-1])
        sys.stdout.write(f"{name}: cost {costs[image]:.2f}\n")


def picture_costs(labels: Labels, found: dict[int, People]) -> dict[int, float]:
    """By picture: what people lack to OKS 1 (all of it, who is missed), and 1 for a false one."""
    matching = match_people(labels, found, min_oks=LEAST_OKS)
    costs = {picture["id"]: 0.0 for picture in labels.pictures}
    people = {person["id"]: person for person in labels.people}
    for missed in matching.missed:
        costs[people[missed]["image_id"]] += 1
    for image, _ in matching.false:
        costs[image] += 1
    for match in matching.matches:
        image, index = match.who
        costs[image] += 1 - oks(found[image][0][index], people[match.label])
    return costs


def _sure(people: People, least: float) -> People:
    keypoints, scores = people
    return keypoints[scores >= least], scores[scores >= least]


def drawn(rgb: Rgb, labels: Labels, found: dict[int, People], image: int) -> Rgb:
    """The picture with labels and people found."""
    zoom = max(1.0, LEAST_SIDE_PX / max(rgb.shape[:2]))
    canvas = cv2.resize(rgb, None, fx=zoom, fy=zoom)
    for person in labels.counted():
        if person["image_id"] == image:
            truth = np.asarray(person["keypoints"], np.float32).reshape(-1, 3)
            _sticks(canvas, truth * [zoom, zoom, 1], TRUTH)
    for pose, score in zip(*found[image], strict=True):
        placed = pose * [zoom, zoom, 1]
        _sticks(canvas, np.where(placed[:, 2:] >= SEEN, placed, 0), FOUND)
        corner = tuple(int(side) for side in placed[:, :2].min(0))
        cv2.putText(canvas, f"{score:.2f}", corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, FOUND, 1)
    return np.asarray(canvas, np.uint8)


def _sticks(canvas: np.ndarray, pose: Floats, colour: tuple[int, int, int]) -> None:
    points = [tuple(int(side) for side in point[:2]) for point in pose]
    for a, b in COCO_17.limbs:
        if pose[a, 2] > 0 and pose[b, 2] > 0:
            cv2.line(canvas, points[a], points[b], colour, 2, cv2.LINE_AA)
    for point, joint in zip(points, pose, strict=True):
        if joint[2] > 0:
            cv2.circle(canvas, point, 3, colour, -1, cv2.LINE_AA)


if __name__ == "__main__":
    main()
