"""Eight real pictures that a network must be able to learn by heart."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.evaluation.labels import LabelledSet, Labels, read_labels
from builders.evaluation.people import read_rgb
from stream.geometry import Letterbox, letterbox
from stream.picture import picture_from_rgb, to_canvas

PICTURES = (84533, 85795, 535506, 463557, 442450, 122469, 123457, 790)
"""Of coco_kp/train: one to four people in each, of many sizes, all with joints."""


@dataclass(frozen=True, slots=True, eq=False)
class LearntPicture:
    """A picture on a canvas and its people with joints."""

    id: int
    place: Letterbox
    pixels: NDArray[np.uint8]
    """(S, S, 3) RGB."""
    joints: Tensor
    """(G, 17, 3) canvas px, COCO's labels."""
    boxes: Tensor
    """(G, 4) left, top, right, bottom edges in canvas px."""
    areas: Tensor
    """(G,) segment areas in canvas px squared."""


def eight_pictures(
    shared_data: Path, canvas: int, scratch: Path
) -> tuple[list[LearntPicture], Labels]:
    """The pictures on square canvases, and annotations of them alone for the evaluation."""
    folder = shared_data / "labelled" / "coco_kp"
    content = json.loads((folder / "annotations" / "train.json").read_text("utf-8"))
    images = [image for image in content["images"] if image["id"] in PICTURES]
    people = [
        person
        for person in content["annotations"]
        if person["image_id"] in PICTURES and person["num_keypoints"] and not person["iscrowd"]
    ]
    file = scratch / "eight.json"
    file.write_text(json.dumps(content | {"images": images, "annotations": people}), "utf-8")
    images_of = folder / "images"
    learnt = [
        _learnt(images_of / image["file_name"], image["id"], people, canvas) for image in images
    ]
    return learnt, read_labels(LabelledSet(file, images_of))


def _learnt(path: Path, image: int, everybody: list[dict[str, object]], side: int) -> LearntPicture:
    picture = picture_from_rgb(read_rgb(path))
    place = letterbox(picture.width, picture.height, side, side)
    people = [person for person in everybody if person["image_id"] == image]
    joints = np.array([person["keypoints"] for person in people], np.float32).reshape(-1, 17, 3)
    joints[..., :2] = place.to_canvas(joints[..., :2])
    boxes = np.array([person["bbox"] for person in people], np.float32).reshape(-1, 2, 2)
    boxes[:, 1] += boxes[:, 0]
    areas = np.array([person["area"] for person in people]) * place.scale[0] * place.scale[1]
    return LearntPicture(
        image,
        place,
        to_canvas(picture, place),
        torch.from_numpy(joints),
        # COCO counts from the edge of the first pixel, we from its centre.
        torch.from_numpy(place.to_canvas(boxes - 0.5)).reshape(-1, 4),
        torch.from_numpy(areas.astype(np.float32)),
    )
