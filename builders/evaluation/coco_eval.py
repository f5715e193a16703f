"""COCO average precision and recall of a system on a labelled set: of poses and of boxes."""

import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from builders.evaluation.boxes import BoxesOf
from builders.evaluation.labels import (
    LabelledSet,
    Labels,
    Record,
    read_labels,
    require_joints,
    require_pictures,
)
from builders.evaluation.people import Boxes, Floats, People, Predict, Rgb, read_rgb
from stream.clock import Clock, SystemClock
from stream.errors import ConfigError

T = TypeVar("T")

STATISTICS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
"""`COCOeval.stats` of keypoints, in its order; -1 where no labelled person has that size."""
MAX_POSES = 20
"""Of a picture; the weaker ones do not count (COCO)."""
MAX_BOXES = 100
"""Of a picture; the weaker ones do not count (COCO)."""
EVERY_SIZE_PX2 = (0.0, 1e10)
MEDIUM_PX2 = (32.0**2, 96.0**2)
LARGE_PX2 = (96.0**2, 1e10)

PredictShown = Callable[[int, Rgb], People]
"""The id of a picture of the set and its (H, W, 3) RGB pixels in, its people out."""
Shown = Callable[[Sequence[Record]], Iterator[Record]]
"""Hands the pictures over one by one, and may show how far it is."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundPeople:
    """What a system found in the pictures of a set."""

    people: Mapping[int, People]
    """By picture id; pictures that are left out count as empty."""
    seconds: float
    """Spent in the system alone, not in reading pictures."""


def evaluate(
    predict: Predict, labelled: LabelledSet, clock: Clock | None = None
) -> dict[str, float]:
    """Runs `predict` on all pictures of the set, those without people too, and scores it.

    Returns:
        The ten `STATISTICS`, `people` (labelled with joints), `pictures`, and `seconds` spent in
        `predict` alone.

    Raises:
        ConfigError: if the labels are wrong; names file and record.
        SourceError: if a picture is missing or cannot be read.
    """
    labels = read_labels(labelled)
    require_joints(labels)
    found = find_people_of(lambda _, rgb: predict(rgb), labels, clock or SystemClock())
    return keypoint_statistics(labels, found.people) | {"seconds": found.seconds}


def find_people_of(
    predict: PredictShown, labels: Labels, clock: Clock, shown: Shown = iter
) -> FoundPeople:
    """Runs `predict` on all pictures of a set.

    Raises:
        SourceError: if a picture is missing or cannot be read.
    """
    return FoundPeople(*_show_all(predict, labels, clock, shown))


def find_boxes_of(
    boxes_of: BoxesOf, labels: Labels, clock: Clock, shown: Shown = iter
) -> tuple[dict[int, Boxes], float]:
    """Boxes of all pictures of a set by picture id, and the seconds that finding them took.

    Raises:
        SourceError: if a picture is missing or cannot be read.
    """
    return _show_all(boxes_of, labels, clock, shown)


def _show_all(
    predict: Callable[[int, Rgb], T], labels: Labels, clock: Clock, shown: Shown
) -> tuple[dict[int, T], float]:
    require_pictures(labels)
    found: dict[int, T] = {}
    seconds = 0.0
    for picture in shown(labels.pictures):
        rgb = read_rgb(labels.source.images / picture["file_name"])
        started = clock.monotonic()
        found[picture["id"]] = predict(picture["id"], rgb)
        seconds += clock.monotonic() - started
    return found, seconds


def keypoint_statistics(labels: Labels, found: Mapping[int, People]) -> dict[str, float]:
    """COCO's keypoint figures of the people found, by picture id; at most 20 a picture count.

    Returns:
        The ten `STATISTICS`, `people` and `pictures`. Pictures that are not in `found` count as
        empty; people without a labelled joint and crowds are neither found nor false.
    """
    evaluation = keypoint_evaluation(labels, found)
    with quiet():
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    figures = dict(zip(STATISTICS, (float(value) for value in evaluation.stats), strict=True))
    return figures | {"people": len(labels.counted()), "pictures": len(labels.pictures)}


def average_precision(
    labels: Labels, found: Mapping[int, People], only: Collection[int] | None = None
) -> float:
    """AP over all sizes, of the pictures in `only`; -1 if nobody is labelled there."""
    evaluation = keypoint_evaluation(labels, found)
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [list(EVERY_SIZE_PX2)], ["all"]
    if only is not None:
        evaluation.params.imgIds = sorted(only)
    with quiet():
        evaluation.evaluate()
        evaluation.accumulate()
    return _mean(evaluation.eval["precision"])


def box_statistics(labels: Labels, found: Mapping[int, Boxes]) -> dict[str, float]:
    """The same figures for boxes (intersection over union); at most 100 a picture count.

    People without joints count here, crowds are neither found nor false.
    """
    rows = _numbered(
        _box_result(image_id, box, float(score))
        for image_id, (boxes, scores) in found.items()
        for box, score in zip(boxes, scores, strict=True)
    )
    evaluation = _evaluation(labels, rows, "bbox")
    evaluation.params.maxDets = [MAX_BOXES]
    evaluation.params.areaRng = [list(EVERY_SIZE_PX2), list(MEDIUM_PX2), list(LARGE_PX2)]
    evaluation.params.areaRngLbl = ["all", "medium", "large"]
    with quiet():
        evaluation.evaluate()
        evaluation.accumulate()
    people = [person for person in labels.people if not person["iscrowd"]]
    counts = {"people": float(len(people)), "pictures": float(len(labels.pictures))}
    return _ten(evaluation.eval["precision"], evaluation.eval["recall"]) | counts


def keypoint_evaluation(labels: Labels, found: Mapping[int, People]) -> Any:
    """A `COCOeval` that knows labels and results; results are numbered from 1 in order.

    Raises:
        ConfigError: if the people found have another number of joints than the labels.
    """
    joints = len(labels.skeleton.joints)
    for image_id, (people, _) in found.items():
        if people.shape[1:] != (joints, 3):
            raise ConfigError(
                f"picture {image_id} of {labels.source.annotations}: expected people "
                f"(N, {joints}, 3) as in {labels.skeleton.name}, got {people.shape}"
            )
    rows = _numbered(
        _result(image_id, keypoints, float(score))
        for image_id, (people, scores) in found.items()
        for keypoints, score in zip(people, scores, strict=True)
    )
    evaluation = _evaluation(labels, rows, "keypoints")
    evaluation.params.maxDets = [MAX_POSES]
    evaluation.params.kpt_oks_sigmas = labels.skeleton.sigmas.astype(np.float64)
    return evaluation


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what pycocotools prints to itself."""
    with redirect_stdout(io.StringIO()):
        yield


def _evaluation(labels: Labels, rows: list[Record], kind: Literal["keypoints", "bbox"]) -> Any:
    try:
        from pycocotools.coco import COCO  # noqa: PLC0415 - an extra: only who evaluates needs it
        from pycocotools.cocoeval import COCOeval  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "pycocotools is not installed; install it with: pip install 'posestream[eval]'"
        ) from error
    truth, results = COCO(), COCO()
    truth.dataset = labels.coco_content()
    results.dataset = truth.dataset | {"annotations": rows}
    with quiet():
        truth.createIndex()
        results.createIndex()
        return COCOeval(truth, results, kind)


def _ten(precision: Any, recall: Any) -> dict[str, float]:
    """`STATISTICS` of (10, 101, 1, 3, 1) precision and (10, 1, 3, 1) recall; axis 3 is the size."""
    values = []
    for table in (precision, recall):
        of = {name: table[..., size, :] for size, name in enumerate(("all", "medium", "large"))}
        values += [of["all"], of["all"][0], of["all"][5], of["medium"], of["large"]]
    return dict(zip(STATISTICS, map(_mean, values), strict=True))


def _mean(values: Any) -> float:
    """Of those that are known; COCO writes -1 where nobody has the size."""
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0


def _numbered(rows: Iterator[Record]) -> list[Record]:
    return [row | {"id": number} for number, row in enumerate(rows, start=1)]


def _result(image_id: int, keypoints: Floats, score: float) -> Record:
    """One person as `COCO.loadRes` would make it: box and area from the joints' extent."""
    left, top = keypoints[:, :2].min(axis=0).tolist()
    width, height = np.ptp(keypoints[:, :2], axis=0).tolist()
    row = _box_result(image_id, np.array([left, top, width, height]), score)
    return row | {"keypoints": keypoints.astype(float).ravel().tolist()}


def _box_result(image_id: int, box: Any, score: float) -> Record:
    return {
        "image_id": image_id,
        "category_id": 1,
        "bbox": [float(side) for side in box],
        "area": float(box[2] * box[3]),
        "iscrowd": 0,
        "score": score,
    }
