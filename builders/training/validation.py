"""Accuracy of the bottom-up network, decoded and suppressed as the shipped model will be."""

from collections.abc import Sequence
from pathlib import Path

from builders.evaluation.people import Predict
from builders.networks.bottom_up import CompactBottomUp
from builders.networks.bottom_up_decode import BottomUpGraph, DecodeSettings
from builders.training.canvas_validation import pose_predictor, validate_poses
from engines.artefact import Thresholds

CANVASES = ((576, 448), (576, 320), (448, 576), (320, 576), (448, 448))
"""(width, height): 4:3 and 16:9, lying and standing, and square; multiples of 32."""
FAST_CANVASES = (
    *((384, 288), (384, 256), (320, 192)),
    *((288, 384), (256, 384), (192, 320)),
    (320, 320),
)
"""4:3, 3:2 and 16:9, lying and standing, and square; multiples of 32. Pictures of cameras, 1280 or
1920 wide, are shrunk to 320 by a whole number, several times faster than by another."""
TINY_CANVASES = (
    *((256, 192), (288, 192), (256, 160)),
    *((192, 256), (192, 288), (160, 256)),
    (256, 256),
)
"""Likewise, for about the time of MoveNet MultiPose at 256."""

THRESHOLDS = Thresholds(min_score=0.02, nms_oks=0.45, nms_slack_px=32.0)
"""For AP, which wants the weak candidates too."""


def torch_predictor(
    network: CompactBottomUp,
    settings: DecodeSettings,
    thresholds: Thresholds = THRESHOLDS,
    canvases: Sequence[tuple[int, int]] = CANVASES,
) -> Predict:
    """A predictor that runs `network` in fp32 torch on the canvas that suits a picture best."""
    return pose_predictor(BottomUpGraph(network, settings), thresholds, canvases)


def validate(network: CompactBottomUp, data: Path, names: Sequence[str]) -> dict[str, float]:
    """`NAME AP` and `NAME AR` on the `val` split of each labelled set below `data`."""
    return validate_poses(torch_predictor(network, DecodeSettings()), data, names)
