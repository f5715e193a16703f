"""Runs models that look at one person at a time, as the top-down papers evaluate them."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from builders.evaluation.boxes import BoxesOf
from builders.evaluation.coco_eval import PredictShown
from builders.evaluation.flip_test import averaged, mirrored_boxes, mirrored_people, mirrored_rgb
from builders.evaluation.people import Floats, People, Rgb
from engines.artefact import Manifest
from engines.decoding.pose_scores import distinct_people, padded_areas_px2, scores_in_boxes
from engines.engine import Engine, EngineSpec
from stream.geometry import CropAffine, crop_affine
from stream.skeleton import SKELETONS, Skeleton


class CropModel:
    """A top-down model or a refiner with its engine, which the caller opens and closes.

    Args:
        manifest: of the model.
        engine: opened for the first size of the manifest.
    """

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        self._engine = engine
        self._size = manifest.canvases[0]
        self._padding = manifest.crop_padding
        self.skeleton: Skeleton = SKELETONS[manifest.skeleton]
        self.name = manifest.name

    @property
    def spec(self) -> EngineSpec:
        """The engine."""
        return self._engine.spec

    def poses(self, rgb: Rgb, boxes_px: Floats, start: Floats | None = None) -> Floats:
        """(N, J, 3) poses in pixels of the picture, one for each box (N, 4) x, y, w, h.

        A refiner also needs `start`, the (N, J, 3) poses to refine.
        """
        if not len(boxes_px):
            return np.zeros((0, len(self.skeleton.joints), 3), np.float32)
        affines = [crop_affine(box.tolist(), *self._size, self._padding) for box in boxes_px]
        crops = np.stack([self._crop(rgb, affine) for affine in affines])
        inputs: dict[str, NDArray[np.generic]] = {"crops": crops}
        if start is not None:
            inputs["poses"] = _mapped(start, [affine.to_crop for affine in affines])
        keypoints = np.asarray(self._engine.infer(inputs)["keypoints"], np.float32)
        return _mapped(keypoints, [affine.to_source for affine in affines])

    def area_px2(self, boxes_px: Floats) -> np.ndarray:
        """(N,) area of the padded boxes, the scale of suppression in the papers' code."""
        return padded_areas_px2(boxes_px[:, 2:], self._size[0] / self._size[1], self._padding)

    def _crop(self, rgb: Rgb, affine: CropAffine) -> Rgb:
        crop = cv2.warpAffine(rgb, affine.matrix(), self._size, flags=cv2.INTER_LINEAR)
        return np.asarray(crop, np.uint8)


def predict_in_boxes(
    boxes_of: BoxesOf, model: CropModel, refiner: CropModel | None = None, *, flip: bool = False
) -> PredictShown:
    """People: a pose in each box, refined if there is a refiner, scored, without doubles.

    A score is the box's times the mean confidence of the joints seen; of two people more alike than
    OKS 0.9 the better stays (HRNet, `lib/dataset/coco.py`). With `flip` the mirror image is shown
    too and poses are averaged.
    """

    def predict(image_id: int, rgb: Rgb) -> People:
        boxes, scores = boxes_of(image_id, rgb)
        keypoints = flip_tested(model, rgb, boxes) if flip else model.poses(rgb, boxes)
        if refiner is not None and len(keypoints):
            keypoints = refined(refiner, rgb, keypoints)
        return scored_people(keypoints, scores, model.area_px2(boxes), model.skeleton)

    return predict


def predict_refined(predict: PredictShown, refiner: CropModel) -> PredictShown:
    """People of another system, their joints refined; scores stay."""

    def refine(image_id: int, rgb: Rgb) -> People:
        keypoints, scores = predict(image_id, rgb)
        return (refined(refiner, rgb, keypoints) if len(keypoints) else keypoints), scores

    return refine


def flip_tested(model: CropModel, rgb: Rgb, boxes_px: Floats) -> Floats:
    """(N, J, 3): the mean of what the model says of the picture and of its mirror image."""
    width = rgb.shape[1]
    scores = np.ones(len(boxes_px), np.float32)
    turned, _ = mirrored_boxes((boxes_px, scores), width)
    mirrored = model.poses(mirrored_rgb(rgb), turned)
    back, _ = mirrored_people((mirrored, scores), width, model.skeleton)
    return averaged(model.poses(rgb, boxes_px), back)


def refined(refiner: CropModel, rgb: Rgb, keypoints: Floats) -> Floats:
    """(N, J, 3) in crops around the poses; a joint keeps the confidence it had (PoseFix)."""
    low, high = keypoints[..., :2].min(1), keypoints[..., :2].max(1)
    boxes = np.concatenate([low, np.maximum(high - low, 1)], -1)
    found = refiner.poses(rgb, boxes, keypoints)
    return np.concatenate([found[..., :2], keypoints[..., 2:]], -1)


def scored_people(
    keypoints: Floats, box_scores: Floats, areas_px2: np.ndarray, skeleton: Skeleton
) -> People:
    """People with the papers' scores and without doubles, best first."""
    scores = scores_in_boxes(keypoints, box_scores)
    kept = distinct_people(keypoints, scores, areas_px2, skeleton)
    return keypoints[kept], scores[kept]


def _mapped(keypoints: Floats, maps: Sequence[Callable[[Floats], Floats]]) -> Floats:
    """(N, J, 3) with the places of each person put through its map."""
    mapped = np.array(keypoints, np.float32)
    for person, to in zip(mapped, maps, strict=True):
        person[:, :2] = to(person[:, :2])
    return mapped
