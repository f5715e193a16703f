"""What each trainable network becomes when it is released: its graph, stage and thresholds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from torch import nn

from builders.networks.bottom_up import CompactBottomUp
from builders.networks.bottom_up_decode import BottomUpGraph, DecodeSettings
from builders.networks.compact_pyramid import compact_pixels
from builders.networks.graph_pcnn_graph import GraphPcnnGraph
from builders.networks.person_detector import DetectorGraph
from builders.networks.posefix import PoseFixGraph
from builders.networks.scoring_net import ScoringGraph
from builders.networks.smpr_at_joints import SmprAtJointsGraph
from builders.networks.smpr_graph import COMPACT_DECODE, SmprGraph
from builders.networks.topdown_graph import FlipTest, TopDownGraph
from builders.training.canvas_validation import COMPACT_CANVASES
from builders.training.person_detector_task import DETECTOR_CANVASES, NMS_IOU
from builders.training.posefix_task import PoseFixSettings
from builders.training.scoring_task import ScoringSettings
from builders.training.settings import Frozen
from builders.training.smpr_at_joints_task import CANVASES_TWICE, SHRINK
from builders.training.topdown_task import TopDownSettings
from builders.training.topdown_trunks import channel_order, first_cell_px, peak_finder
from builders.training.validation import CANVASES, FAST_CANVASES, TINY_CANVASES
from engines.artefact import NO_PICTURE, StageName

CROP_PADDING = 1.25
"""Of the labelled box, as top-down networks are trained and tested."""
GUIDED_PADDING = 1.1
"""Of maps that know who is meant: with `graph_pcnn` in boxes of `person_detector`, AP on
`coco_kp/val` and `mixed_val` and of the mirror images rises from 1.3 to 1.1 (means of the four
.478, .494, .509; 1.0: .496); in true boxes of `lspet/val` it is .536 with 1.25
and .556 with 1.1."""
SMALL_CROP_PADDING = 1.05
"""Likewise of crops lower than 200 pixels, whose cells are coarse: `kcam` in boxes of
`person_detector` has .364 and .337 with 1.18, .395 and .372 with 1.1, .393 and .405 with 1.05, .410
and .400 with 1.0, which leaves no room for a box that is too small."""
LOW_CROP = 200
FIRST_FP32_LAYERS = ("/trunk/lateral", "/trunk/smooth", "/first/centre/", "/first/heat/")
"""Of the way down from the trunk's smallest maps, and of the first maps: in bf16 they cost half of
the agreement and no time worth mention (`docs/engines.md`)."""
BOTTOM_UP_FP32_LAYERS = (*FIRST_FP32_LAYERS, "/first/regress/")
GUIDED_FP32_LAYERS = (
    "/network/stem",
    *(f"/network/blocks.{block}/" for block in range(3)),
)
"""In bf16 joints of drawn people move by 1.0 pixels in the mean and some jump; with the first maps
in fp32 by 0.2 and none does, for little more time."""
POSE_PADDING = 1.5
"""Of the joints' extent: PoseFix's 1.2 makes it about a labelled box, and 1.25 are that one's."""


@dataclass(frozen=True, slots=True)
class ReleaseForm:
    """How a network of a recipe is exported."""

    description: str
    stage: StageName
    graph: Callable[[Any], nn.Module]
    """The trained network to what is exported."""
    suppression: Mapping[str, float] = field(default_factory=dict)
    """The manifest's threshold for doubles."""
    canvases: tuple[tuple[int, int], ...] = COMPACT_CANVASES
    """(width, height), of crops where the graph takes those."""
    weak_score: float = 0.02
    """AP wants the weak candidates too; the shipped threshold is for people who look at results."""
    crop_padding: float = CROP_PADDING
    fp32_layers: tuple[str, ...] = ()
    """See `Manifest.fp32_layers`."""
    holds_training: bool = True
    """Whether anything that a run learnt is in it, beside its start weights."""


FAST_SHRINK = (1, 3)
"""Two sizes for about the time of MoveNet MultiPose in one; with (1, 2) near people are found still
better and a picture takes an eighth longer (`docs/training_runs.md`)."""
TINY_SHRINK = (1,)
"""Whoever is near is of a size that the network knows on canvases so small."""
BOTTOM_UP = ReleaseForm(
    "Compact heatmap-guided bottom-up network; several people in one pass.",
    "one_pass",
    lambda network: BottomUpGraph(network, DecodeSettings()),
    {"nms_oks": 0.45, "nms_slack_px": 32.0},
    CANVASES,
    fp32_layers=BOTTOM_UP_FP32_LAYERS,
)
BOTTOM_UP_PLAIN = replace(
    BOTTOM_UP,
    description="The first estimate of the compact bottom-up network; several people in one pass.",
    graph=lambda network: _first_estimate(network, DecodeSettings().shrink),
    fp32_layers=FIRST_FP32_LAYERS,
    holds_training=False,
)
BOTTOM_UP_FAST = replace(
    BOTTOM_UP_PLAIN,
    description="The first estimate of the compact bottom-up network, on smaller canvases.",
    graph=lambda network: _first_estimate(network, FAST_SHRINK),
    suppression={"nms_oks": 0.45, "nms_slack_px": 21.0},
    canvases=FAST_CANVASES,
    fp32_layers=(),
)
BOTTOM_UP_TINY = replace(
    BOTTOM_UP_FAST,
    description="The first estimate of the compact bottom-up network, on the smallest canvases.",
    graph=lambda network: _first_estimate(network, TINY_SHRINK),
    suppression={"nms_oks": 0.45, "nms_slack_px": 16.0},
    canvases=TINY_CANVASES,
)
SMPR = ReleaseForm(
    "Compact single-stage pose regression (SMPR); several people in one pass.",
    "one_pass",
    lambda network: SmprGraph(network, compact_pixels, COMPACT_DECODE),
    {"soft_nms_iou": 0.3},
    weak_score=0.005,
)
SMPR_AT_JOINTS = ReleaseForm(
    "Single-stage pose regression (SMPR) that looks again at the joints it guessed; several people "
    "in one pass.",
    "one_pass",
    lambda network: SmprAtJointsGraph(network, SHRINK),
    {"soft_nms_iou": 0.3},
    CANVASES_TWICE,
    weak_score=0.005,
    fp32_layers=("/lateral", "/smooth2/", "/smooth3/", "/smooth4/", "/first", "/second_look"),
)
DETECTOR = ReleaseForm(
    "Anchor-free person detector; boxes for cascades.",
    "detector",
    DetectorGraph,
    {"nms_iou": NMS_IOU},
    DETECTOR_CANVASES,
    weak_score=0.01,
)


def _first_estimate(network: CompactBottomUp, shrink: tuple[int, ...]) -> BottomUpGraph:
    return BottomUpGraph(network.without_units(), DecodeSettings(shrink=shrink))


def _top_down(words: str, settings: TopDownSettings) -> ReleaseForm:
    order, first = channel_order(settings.trunk), first_cell_px(settings.trunk)
    finder = peak_finder(settings.trunk)
    return _of_crops(
        f"{words}; one person at a time, behind a detector or a one-pass model.",
        settings,
        lambda network: TopDownGraph(network, order, FlipTest.OFF, first, finder),
    )


def _graph_pcnn(settings: TopDownSettings) -> ReleaseForm:
    order, first = channel_order(settings.trunk), first_cell_px(settings.trunk)
    form = _of_crops(
        "Graph-PCNN: heatmaps, then each joint refined with its neighbours' help; one person at a "
        "time, behind a detector or a one-pass model.",
        settings,
        lambda network: GraphPcnnGraph(network, order, FlipTest.OFF, first),
    )
    return replace(form, crop_padding=_padding(settings))


def _kcam(settings: TopDownSettings) -> ReleaseForm:
    form = _top_down("KCAM: joint maps with joints as context", settings)
    return replace(form, crop_padding=_padding(settings))


def _padding(settings: TopDownSettings) -> float:
    if not getattr(settings.trunk, "guided", False):
        return CROP_PADDING
    return SMALL_CROP_PADDING if settings.crop.height < LOW_CROP else GUIDED_PADDING


def _of_crops(
    description: str, settings: TopDownSettings, graph: Callable[[Any], nn.Module]
) -> ReleaseForm:
    size = (settings.crop.width, settings.crop.height)
    guided = getattr(settings.trunk, "guided", False)
    return ReleaseForm(
        description,
        "top_down",
        graph,
        canvases=(size,),
        weak_score=0.0,
        fp32_layers=GUIDED_FP32_LAYERS if guided else (),
    )


def _posefix(settings: PoseFixSettings) -> ReleaseForm:
    sigma = settings.sigma_px()
    return ReleaseForm(
        "PoseFix: moves the joints of poses that another model found.",
        "refiner",
        lambda network: PoseFixGraph(network, sigma, FlipTest.OFF),
        canvases=((settings.crop.width, settings.crop.height),),
        weak_score=0.0,
        crop_padding=POSE_PADDING,
    )


def _scorer(settings: ScoringSettings) -> ReleaseForm:
    return ReleaseForm(
        "HGG's scoring net: predicts from its shape how good a pose is; stands behind models that "
        "find poses.",
        "scorer",
        lambda network: ScoringGraph(network, settings.usual_oks),
        canvases=(NO_PICTURE,),
        weak_score=0.0,
        fp32_layers=("/",),  # all: it takes no time, and bf16 would move scores by hundredths
    )


def _always(form: ReleaseForm) -> Callable[[Frozen], ReleaseForm]:
    return lambda _: form


RELEASE_FORMS: Mapping[str, Callable[[Any], ReleaseForm]] = MappingProxyType(
    {
        "compact_bottom_up": _always(BOTTOM_UP),
        "compact_bottom_up plain": _always(BOTTOM_UP_PLAIN),
        "compact_bottom_up fast": _always(BOTTOM_UP_FAST),
        "compact_bottom_up tiny": _always(BOTTOM_UP_TINY),
        "compact_smpr": _always(SMPR),
        "person_detector": _always(DETECTOR),
        "smpr_at_joints": _always(SMPR_AT_JOINTS),
        "heatmap": lambda settings: _top_down("Joint maps of single people", settings),
        "kcam": _kcam,
        "graph_pcnn": _graph_pcnn,
        "posefix": _posefix,
        "scoring_net": _scorer,
    }
)
"""By the recipe's `network` (and size, if there are several): settings of its task to the form."""
