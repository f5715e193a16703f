"""COCO keypoint average precision and recall of a system on a labelled set."""

import io
import json
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from builders.evaluation.people import People, Predict, read_rgb
from stream.clock import Clock, SystemClock

STATISTICS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
"""`COCOeval.stats` of keypoints, in its order; -1 where no labelled person has that size."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Pictures with COCO keypoint labels."""

    annotations: Path
    """COCO JSON; `file_name` is relative to `images`."""
    images: Path


def labelled_set(shared_data: Path, name: str, split: str) -> LabelledSet:
    """One of the sets of the shared data, laid out `labelled/NAME/{annotations,images}`."""
    folder = shared_data / "labelled" / name
    return LabelledSet(folder / "annotations" / f"{split}.json", folder / "images")


def evaluate(
    predict: Predict, labelled: LabelledSet, clock: Clock | None = None
) -> dict[str, float]:
    """Runs `predict` on all pictures of the set, those without people too, and scores it.

    Returns:
        The ten `STATISTICS`, `people` (labelled with joints), `pictures`, and `seconds` spent in
        `predict` alone.
    """
    watch = clock or SystemClock()
    found: dict[int, People] = {}
    seconds = 0.0
    for image in json.loads(labelled.annotations.read_text(encoding="utf-8"))["images"]:
        rgb = read_rgb(labelled.images / image["file_name"])
        started = watch.monotonic()
        found[image["id"]] = predict(rgb)
        seconds += watch.monotonic() - started
    return keypoint_statistics(labelled.annotations, found) | {"seconds": seconds}


def keypoint_statistics(annotations: Path, found: Mapping[int, People]) -> dict[str, float]:
    """COCO's keypoint figures of the people found, by picture id; at most 20 a picture count.

    Returns:
        The ten `STATISTICS`, `people` and `pictures`. Pictures that are not in `found` count as
        empty; people without a labelled joint and crowds are neither found nor false.
    """
    from pycocotools.coco import COCO  # noqa: PLC0415 - prints when used, so kept close
    from pycocotools.cocoeval import COCOeval  # noqa: PLC0415

    with redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        results = COCO()
        results.dataset = {
            "images": truth.dataset["images"],
            "categories": truth.dataset["categories"],
            "annotations": _result_annotations(found),
        }
        results.createIndex()
        evaluation = COCOeval(truth, results, "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    labelled = [a for a in truth.anns.values() if a["num_keypoints"] and not a.get("iscrowd")]
    figures = dict(zip(STATISTICS, (float(value) for value in evaluation.stats), strict=True))
    return figures | {"people": len(labelled), "pictures": len(truth.imgs)}


def _result_annotations(found: Mapping[int, People]) -> list[dict[str, Any]]:
    rows = [
        _result(image_id, keypoints, float(score))
        for image_id, (people, scores) in found.items()
        for keypoints, score in zip(people, scores, strict=True)
    ]
    return [row | {"id": number} for number, row in enumerate(rows, start=1)]


def _result(image_id: int, keypoints: np.ndarray, score: float) -> dict[str, Any]:
    """One person as `COCO.loadRes` would make it: box and area from the joints' extent."""
    left, top = keypoints[:, :2].min(axis=0).tolist()
    width, height = np.ptp(keypoints[:, :2], axis=0).tolist()
    return {
        "image_id": image_id,
        "category_id": 1,
        "keypoints": keypoints.astype(float).ravel().tolist(),
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": 0,
        "score": score,
    }
