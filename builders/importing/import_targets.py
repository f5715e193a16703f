"""What `posestream models import --as` knows: networks, and the forms their weights came in."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from builders.importing.checkpoint_file import State
from builders.importing.key_formats import (
    KeyFormat,
    Translated,
    after,
    as_released,
    graph_pcnn_start,
    imagenet_trunk,
    kcam_start,
    mmpose_dekr,
    mmpose_scoring_net,
    mmpose_top_down,
    tensorflow_posefix,
)
from builders.networks.hrnet import HrNetTrunk
from builders.networks.resnet import BLOCKS, ResNet
from builders.networks.scoring_net import ScoringNet
from builders.networks.topdown_graph import ChannelOrder
from builders.paper_networks import PaperNetwork, paper_networks

RGB, BGR = ChannelOrder.RGB, ChannelOrder.BGR
MIT, APACHE, BSD = "MIT", "Apache-2.0", "BSD-3-Clause"


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """A network that weights can be imported as."""

    make: Callable[[], nn.Module]
    formats: tuple[KeyFormat, ...]
    """The first whose marker is found is taken; the last takes everything."""
    paper: PaperNetwork | None
    """None for parts that are no model: trunks, and a scoring net of another form."""


def import_targets() -> dict[str, ImportTarget]:
    """Name to target: every network of the papers, and ImageNet trunks to start from."""
    targets = {
        name: ImportTarget(network.make, _formats(name, network.order), network)
        for name, network in paper_networks().items()
    }
    classifier = KeyFormat("ImageNet classifier", r"fc\.|classifier\.", imagenet_trunk, BSD, RGB)
    alone = replace(classifier, name="trunk alone", marker="")
    for depth in BLOCKS:
        targets[f"resnet_{depth}_trunk"] = ImportTarget(
            partial(ResNet, depth), (classifier, alone), None
        )
    trunk = (replace(classifier, licence=MIT), replace(alone, licence=MIT))
    for width in (32, 48):
        targets[f"hrnet_w{width}_trunk"] = ImportTarget(partial(HrNetTrunk, width), trunk, None)
    rescoring = KeyFormat("MMPose scoring net", "", mmpose_scoring_net, APACHE, RGB)
    targets["scoring_net_mmpose"] = ImportTarget(ScoringNet, (rescoring,), None)
    return targets


def _formats(name: str, order: ChannelOrder) -> tuple[KeyFormat, ...]:
    """The forms that weights of a network of the papers come in."""
    licence = APACHE if name.startswith("smpr") else MIT
    released = KeyFormat("as released", "", as_released, licence, order)
    mmpose = KeyFormat("MMPose", r"backbone\.", mmpose_top_down, APACHE, RGB)
    if name.startswith("pose_"):
        return (mmpose, released)
    if name.startswith("graph_pcnn_"):
        own = replace(released, name="posestream", marker=r"stage1\.", licence="unknown")
        return (own, *_starts((mmpose, released), graph_pcnn_start, "refinement."))
    if name.startswith("kcam_"):
        own = replace(released, name="posestream", marker=r"network\.", licence="unknown")
        return (own, *_starts((mmpose, released), kcam_start, "context.", "final_layer."))
    if name.startswith("dekr_"):
        displacements = r"head\.displacement_conv_layers\."
        return (KeyFormat("MMPose 1.x", displacements, mmpose_dekr, APACHE, RGB), released)
    if name.startswith("posefix_"):
        tensorflow = KeyFormat("TensorFlow", r"resnet_v1_\d+/", tensorflow_posefix, MIT, BGR)
        return (tensorflow, released)
    return (released,)


def _starts(
    bases: Iterable[KeyFormat], then: Callable[[State], Translated], *untrained: str
) -> tuple[KeyFormat, ...]:
    """Forms of the heatmap network that a network is built on."""
    return tuple(
        replace(
            base,
            name=f"{base.name}, of the heatmap network alone",
            translate=after(base.translate, then),
            untrained=untrained,
        )
        for base in bases
    )
