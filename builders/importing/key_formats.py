"""From published key names to ours."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from builders.importing.checkpoint_file import State
from builders.networks.scoring_net import LINKS
from builders.networks.topdown_graph import ChannelOrder


@dataclass(frozen=True, slots=True)
class Translated:
    """Weights under our names."""

    state: State
    left_out: tuple[str, ...] = ()
    """Names in the file that the network does not use, on purpose."""
    notes: tuple[str, ...] = ()
    """What was done besides renaming."""


@dataclass(frozen=True, slots=True)
class KeyFormat:
    """One way in which weights of a network were published."""

    name: str
    marker: str
    """A regular expression that some key matches in this format, and in no earlier one."""
    translate: Callable[[State], Translated]
    licence: str
    order: ChannelOrder
    """What these weights want of the picture; it may depend on who trained them."""
    untrained: tuple[str, ...] = ()
    """Beginnings of our names that the format never holds: they keep their starting weights."""

    def recognises(self, state: Mapping[str, Tensor]) -> bool:
        """Whether the names are of this format."""
        return any(re.match(self.marker, key) for key in state)


def renamed(state: State, rules: Mapping[str, str], drop: str | None = None) -> Translated:
    """Applies the first rule whose pattern matches the whole key; others stay as they are.

    Args:
        state: published.
        rules: pattern to replacement, in order.
        drop: pattern of keys that are left out on purpose.
    """
    out: State = {}
    left_out = []
    for key, value in state.items():
        if drop is not None and re.fullmatch(drop, key):
            left_out.append(key)
        else:
            out[_new_name(key, rules)] = value
    return Translated(out, tuple(left_out))


def _new_name(key: str, rules: Mapping[str, str]) -> str:
    for pattern, replacement in rules.items():
        if re.fullmatch(pattern, key):
            return re.sub(pattern, replacement, key)
    return key


def as_released(state: State) -> Translated:
    """Our names are the papers'."""
    return Translated(state)


def imagenet_trunk(state: State) -> Translated:
    """ImageNet classifiers: their last layers have no part in a trunk."""
    head = r"fc\..*|classifier\..*|final_layer\..*|incre_modules\..*|downsamp_modules\..*"
    return renamed(state, {}, drop=head)


def graph_pcnn_start(state: State) -> Translated:
    """A heatmap network as the first stage of Graph-PCNN, whose second starts as a copy."""
    first = {f"stage1.{key}": value for key, value in state.items()}
    last = r"(stage4|layer4|deconv_layers)\..*"
    second = {f"second.{key}": state[key].clone() for key in state if re.match(last, key)}
    note = "weights of a heatmap network: the second stage starts as a copy of the last one's"
    return Translated(first | second, notes=(note,))


def kcam_start(state: State) -> Translated:
    """A heatmap network as what KCAM is built on."""
    return Translated({f"network.{key}": value for key, value in state.items()})


def after(
    first: Callable[[State], Translated], then: Callable[[State], Translated]
) -> Callable[[State], Translated]:
    """One translation and another."""

    def both(state: State) -> Translated:
        one = first(state)
        two = then(one.state)
        return Translated(two.state, one.left_out + two.left_out, one.notes + two.notes)

    return both


def mmpose_top_down(state: State) -> Translated:
    """MMPose 1.x (`head.`) and 0.x (`keypoint_head.`) on HRNet and ResNet."""
    return renamed(state, {r"backbone\.(.*)": r"\1", r"(?:keypoint_)?head\.(.*)": r"\1"})


MMPOSE_DEKR_JOINTS = 17
_BLOCK = r"head\.displacement_conv_layers\.([12])\."
MMPOSE_DEKR = {
    r"backbone\.(.*)": r"\1",
    r"head\.heatmap_conv_layers\.0\.conv\.(.*)": r"transition_heatmap.0.\1",
    r"head\.heatmap_conv_layers\.0\.bn\.(.*)": r"transition_heatmap.1.\1",
    r"head\.heatmap_conv_layers\.1\.(.*)": r"head_heatmap.0.0.\1",
    r"head\.heatmap_conv_layers\.2\.(.*)": r"head_heatmap.1.\1",
    r"head\.displacement_conv_layers\.0\.conv\.(.*)": r"transition_offset.0.\1",
    r"head\.displacement_conv_layers\.0\.bn\.(.*)": r"transition_offset.1.\1",
    _BLOCK + r"norm\.(.*)": r"bn.\1.\2",
    _BLOCK + r"(transform_matrix_conv|adapt_conv)\.(.*)": r"\2.\1.\3",
    r"head\.displacement_conv_layers\.3\.(.*)": r"offset_final_layer.\1",
}
"""Grouped layers get a name of no network, which `_ungrouped` then splits into 17 joints."""


def mmpose_dekr(state: State) -> Translated:
    """MMPose 1.x's DEKR: one grouped branch for all joints, T - I in place of T, offsets negated.

    Its affine convolution holds, for each joint, the rows (yy, yx, ty) and (xy, xx, tx) of what is
    added to R, so the identity is added to the bias here; and its displacements point from the cell
    to the joint, so the last layer changes its sign.
    """
    drop = r"head\.rescore_net\..*|head\.loss_module\..*|.*\.regular_matrix"
    grouped = renamed(state, MMPOSE_DEKR, drop)
    out: State = {}
    for key, value in grouped.state.items():
        out.update(_ungrouped(key, value))
    rescoring = any("rescore_net" in key for key in grouped.left_out)
    notes = ["identity added to the transform biases", "sign of the displacements turned"]
    if rescoring:
        notes.append("the file also holds a scoring net: import it --as scoring_net_mmpose")
    return Translated(out, grouped.left_out, tuple(notes))


def _ungrouped(key: str, value: Tensor) -> State:
    """One grouped tensor as those of the 17 joints."""
    layer, _, rest = key.partition(".")
    K = MMPOSE_DEKR_JOINTS
    if layer not in ("bn", "transform_matrix_conv", "adapt_conv", "offset_final_layer"):
        return {key: value}
    if rest.endswith("num_batches_tracked"):
        parts = (value,) * K
    elif len(value) % K:
        return {key: value}  # of another skeleton: named as unexpected
    else:
        parts = value.chunk(K)
    if layer == "offset_final_layer":
        return {f"{layer}.{joint}.{rest}": -part for joint, part in enumerate(parts)}
    block, _, leaf = rest.partition(".")
    place = f"offset_feature_layers.{{}}.{int(block) - 1}"
    if layer != "transform_matrix_conv":
        return {f"{place.format(j)}.{layer}.{leaf}": part for j, part in enumerate(parts)}
    out: State = {}
    for joint, part in enumerate(parts):
        out.update(_split_affine(f"{place.format(joint)}", leaf, part))
    return out


def _split_affine(place: str, leaf: str, part: Tensor) -> State:
    """(6, ...) rows of T - I and t to DEKR's own T and t."""
    transform, translation = part[[0, 1, 3, 4]].clone(), part[[2, 5]]
    if leaf == "bias":
        transform += torch.eye(2).flatten()
    return {
        f"{place}.transform_matrix_conv.{leaf}": transform,
        f"{place}.translation_conv.{leaf}": translation,
    }


MMPOSE_LINKS = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
"""Sticks of MMPose's COCO skeleton, in the order in which its scoring net sees them."""


def mmpose_scoring_net(state: State) -> Translated:
    """MMPose's scoring net, alone or inside its DEKR: its sticks are in another order and sense."""
    inside = {r"head\.rescore_net\.(.*)": r"\1"}
    found = renamed(state, inside, drop=r"backbone\..*|head\.(?!rescore_net\.).*")
    first = found.state.get("l1.weight")
    if first is None or first.ndim != 2 or first.shape[1] != 74:
        return found
    sticks, lengths = first[:, :38].reshape(-1, 19, 2), first[:, 38:57]
    places = [_place_of(link) for link in LINKS]
    order = [place for place, _ in places]
    sense = torch.tensor([sign for _, sign in places])[:, None]
    moved = (sticks[:, order] * sense).flatten(1), lengths[:, order], first[:, 57:]
    notes = ("columns of l1 put into the order of the published code's sticks",)
    return Translated({**found.state, "l1.weight": torch.cat(moved, 1)}, found.left_out, notes)


def _place_of(link: tuple[int, int]) -> tuple[int, float]:
    """Index of a stick among MMPose's, and 1 or -1 for its sense."""
    if link in MMPOSE_LINKS:
        return MMPOSE_LINKS.index(link), 1.0
    return MMPOSE_LINKS.index(link[::-1]), -1.0


_UNIT = r"resnet_v1_\d+/block(\d)/unit_(\d+)/bottleneck_v1/"
_NORM = r"BatchNorm/(gamma|beta|moving_mean|moving_variance)"
TF_NORM = {
    "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
    "moving_variance": "running_var",
}  # fmt: skip


def tensorflow_posefix(state: State) -> Translated:
    """PoseFix as TensorFlow named it; HWIO and HWOI convolutions become OIHW and IOHW alike."""
    return Translated({_posefix_name(key): _posefix_value(key, state[key]) for key in state})


def _posefix_value(key: str, value: Tensor) -> Tensor:
    return value.permute(3, 2, 0, 1).contiguous() if key.endswith("/weights") else value


def _posefix_name(key: str) -> str:
    if match := re.fullmatch(rf"resnet_v1_\d+/conv1/(?:weights|{_NORM})", key):
        return f"bn1.{TF_NORM[match[1]]}" if match[1] else "conv1.weight"
    if match := re.fullmatch(rf"{_UNIT}(shortcut|conv\d)/(?:weights|{_NORM})", key):
        return _unit_name(int(match[1]), int(match[2]), match[3], match[4])
    if match := re.fullmatch(rf"up([123])/(?:weights|{_NORM})", key):
        place = 3 * (int(match[1]) - 1)
        norm = f"deconv_layers.{place + 1}.{TF_NORM[match[2]]}" if match[2] else ""
        return norm or f"deconv_layers.{place}.weight"
    return {"out/weights": "final_layer.weight", "out/biases": "final_layer.bias"}.get(key, key)


def _unit_name(block: int, unit: int, layer: str, norm: str | None) -> str:
    where = f"layer{block}.{unit - 1}"
    if layer == "shortcut":
        return f"{where}.downsample.1.{TF_NORM[norm]}" if norm else f"{where}.downsample.0.weight"
    number = layer.removeprefix("conv")
    return f"{where}.bn{number}.{TF_NORM[norm]}" if norm else f"{where}.{layer}.weight"
