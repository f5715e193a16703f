"""What each trainable network becomes when it is released: its graph, stage and thresholds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from builders.networks.bottom_up_decode import BottomUpGraph, DecodeSettings
from builders.networks.compact_pyramid import compact_pixels
from builders.networks.person_detector import DetectorGraph
from builders.networks.smpr_graph import COMPACT_DECODE, SmprGraph
from builders.training.canvas_validation import COMPACT_CANVASES
from builders.training.person_detector_task import NMS_IOU
from builders.training.validation import CANVASES
from engines.artefact import StageName


@dataclass(frozen=True, slots=True)
class ReleaseForm:
    """How a network of a recipe is exported."""

    description: str
    stage: StageName
    graph: Callable[[Any], nn.Module]
    """The trained network to what is exported."""
    suppression: Mapping[str, float]
    """The manifest's threshold for doubles."""
    canvases: tuple[tuple[int, int], ...] = COMPACT_CANVASES
    """(width, height)."""
    weak_score: float = 0.02
    """AP wants the weak candidates too; the shipped threshold is for people who look at results."""


RELEASE_FORMS = MappingProxyType(
    {
        "compact_bottom_up": ReleaseForm(
            "Compact heatmap-guided bottom-up network; several people in one pass.",
            "one_pass",
            lambda network: BottomUpGraph(network, DecodeSettings()),
            {"nms_oks": 0.45, "nms_slack_px": 32.0},
            CANVASES,
        ),
        "compact_smpr": ReleaseForm(
            "Compact single-stage pose regression (SMPR); several people in one pass.",
            "one_pass",
            lambda network: SmprGraph(network, compact_pixels, COMPACT_DECODE),
            {"soft_nms_iou": 0.3},
            weak_score=0.005,
        ),
        "person_detector": ReleaseForm(
            "Anchor-free person detector; boxes for cascades.",
            "detector",
            DetectorGraph,
            {"nms_iou": NMS_IOU},
            weak_score=0.01,
        ),
    }
)
"""By the recipe's `network`."""
