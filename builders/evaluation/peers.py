"""The peers by name, on the engines that our models run on, so that times can be compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from builders.evaluation.boxes import BoxesOf, boxes_of_truth
from builders.evaluation.cascade import CROP_PADDING, Cascade
from builders.evaluation.coco_eval import PredictShown
from builders.evaluation.labels import Labels
from builders.evaluation.movenet import MoveNetMultiPose
from builders.evaluation.onnx_graph import OnnxGraph, OpenGraph, OpenVinoGraph
from builders.evaluation.people import Floats, People, Rgb
from builders.evaluation.top_down import scored_people
from engines.decoding.pose_scores import padded_areas_px2
from engines.engine import Precision
from engines.open_engine import EngineName
from stream.errors import ConfigError
from stream.skeleton import COCO_17


@dataclass(frozen=True, slots=True)
class PeerEngine:
    """What a peer runs on."""

    engine: EngineName
    precision: Precision
    threads: int

    def opener(self) -> OpenGraph:
        """Opens a peer's file.

        Raises:
            ConfigError: if peers do not run so.
        """
        if self.engine is EngineName.OPENVINO:
            return partial(OpenVinoGraph, precision=self.precision)
        if (self.engine, self.precision) == (EngineName.ONNXRUNTIME, Precision.FP32):
            return OnnxGraph
        raise ConfigError(
            f"peers run on openvino, or on onnxruntime in fp32; got {self.engine} {self.precision}"
        )


def open_peer(name: str, weights: Path, on: PeerEngine, labels: Labels | None) -> PredictShown:
    """A peer as something that can be shown pictures.

    Args:
        name: one of `PEERS`.
        weights: folder of their ONNX files.
        on: engine and threads.
        labels: of the pictures; whose boxes a peer on the labelled boxes takes.

    Raises:
        ConfigError: if there is no such peer, or its engine cannot be.
    """
    if name not in PEERS:
        raise ConfigError(f"no peer {name!r}; there are {', '.join(PEERS)}")
    return PEERS[name](weights, on, labels)


def _multi_pose(side: int, weights: Path, on: PeerEngine, _: Labels | None) -> PredictShown:
    onnx = weights / "movenet_multipose_lightning.onnx"
    peer = MoveNetMultiPose(onnx, side, on.threads, on.opener())
    return lambda _, rgb: peer(rgb)


def _cascade(pose: str, weights: Path, on: PeerEngine, padding: float = CROP_PADDING) -> Cascade:
    files = (weights / "yolox_nano_416.onnx", weights / f"movenet_singlepose_{pose}.onnx")
    return Cascade(
        *files, min_score=0.02, threads=on.threads, open_graph=on.opener(), padding=padding
    )


def _detected(
    pose: str, weights: Path, on: PeerEngine, _: Labels | None, *, padding: float = CROP_PADDING
) -> PredictShown:
    peer = _cascade(pose, weights, on, padding)
    return _in_boxes(peer, lambda _, rgb: peer.boxes(rgb))


def _labelled(pose: str, weights: Path, on: PeerEngine, labels: Labels | None) -> PredictShown:
    if labels is None:
        raise ConfigError(f"truth+movenet_{pose}: the boxes of these pictures are not labelled")
    return _in_boxes(_cascade(pose, weights, on), boxes_of_truth(labels))


def _in_boxes(peer: Cascade, boxes_of: BoxesOf) -> PredictShown:
    """People with the scores that our top-down models get: box times mean confidence."""

    def predict(image_id: int, rgb: Rgb) -> People:
        boxes, scores = boxes_of(image_id, rgb)
        poses: Floats = np.array([peer.pose(rgb, box) for box in boxes], np.float32)
        areas = padded_areas_px2(boxes[:, 2:], 1.0, peer.padding)
        return scored_people(poses.reshape(-1, 17, 3), scores, areas, COCO_17)

    return predict


def _with_box_scores(weights: Path, on: PeerEngine, _: Labels | None) -> PredictShown:
    peer = _cascade("thunder", weights, on)
    return lambda _, rgb: peer(rgb)


Open = Callable[[Path, PeerEngine, Labels | None], PredictShown]
PEERS: Mapping[str, Open] = MappingProxyType(
    {
        "movenet_multipose_256": partial(_multi_pose, 256),
        "movenet_multipose_384": partial(_multi_pose, 384),
        "yolox_nano+movenet_lightning": partial(_detected, "lightning"),
        "yolox_nano+movenet_thunder": partial(_detected, "thunder"),
        "yolox_nano+movenet_thunder (padding 1.1)": partial(_detected, "thunder", padding=1.1),
        "yolox_nano+movenet_thunder (box scores)": _with_box_scores,
        "truth+movenet_lightning": partial(_labelled, "lightning"),
        "truth+movenet_thunder": partial(_labelled, "thunder"),
    }
)
"""`truth` stands for the labelled boxes. One cascade ranks people by their boxes alone, as the
teacher of the clips does; the others as our top-down models do. Crops are padded by 1.25 but where
another padding is named: the one that `graph_pcnn` gained by."""
