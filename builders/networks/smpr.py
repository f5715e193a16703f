"""SMPR: single-stage pose regression with a refined pose and its predicted OKS at every location.

Source: "SMPR: Single-Stage Multi-Person Pose Regression"; follows the released code, whose head
is FCOS's: shared weights at strides 8 to 128, offsets in strides, deformable convolutions steered
by the first guess. Key names as released (`backbone.*`, `neck.*`, `bbox_head.*`). `HeadForm` gives
the head other sizes; those of `CompactSmpr` are in `compact_smpr.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.centre_sampling import STRIDES
from builders.networks.deformable import DeformableConvolution
from builders.networks.hrnet import HrNetTrunk, branch_channels
from builders.networks.pyramids import CHANNELS, Hrfpn, Pafpn
from builders.networks.resnet import ResNet, Stride

JOINTS = 17
OFFSET_GROUPS = 4
MEAN_BGR = (102.9801, 115.9465, 122.7717)
"""Of both backbones; deviation 1."""


@dataclass(frozen=True, slots=True, eq=False)
class SmprMaps:
    """What the head predicts, one entry per level; cell i is at input pixel stride * (i + 1/2)."""

    person: tuple[Tensor, ...]
    """(B, 1, H, W) logits."""
    initial: tuple[Tensor, ...]
    """(B, 34, H, W) joint minus cell, (x, y) of each joint, in strides."""
    refined: tuple[Tensor, ...]
    """(B, 34, H, W) likewise."""
    similarity: tuple[Tensor, ...]
    """(B, 1, H, W) logits of the predicted OKS."""
    joint_heat: Tensor | None = None
    """(B, 17, H/8, W/8) logits, in training mode only."""
    joint_similarity: tuple[Tensor, ...] | None = None
    """(B, 17, H, W) logits of each refined joint's own term of the OKS; compact form only."""


@dataclass(frozen=True, slots=True)
class HeadForm:
    """Sizes of the head; as released unless said otherwise."""

    channels: int = CHANNELS
    convolutions: int = 4
    """Of each of the two branches, before the feature adaption."""
    heat_channels: int = 128
    levels: int = len(STRIDES)
    norm_groups: int = 32
    joint_similarity: bool = False
    """Whether each joint gets a confidence. The paper has none: every keypoint counts as seen."""


class Backbone50(ResNet):
    """ResNet-50 in caffe's form; stem and layer1 are frozen, batch norms use their averages."""

    def __init__(self) -> None:
        super().__init__(50, Stride.CAFFE)
        for part in (self.conv1, self.bn1, self.layer1):
            part.requires_grad_(requires_grad=False)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to C2..C5."""
        return self.pyramid(pixels)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Puts the trunk to training; its batch norms stay in evaluation."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


class BackboneHr(HrNetTrunk):
    """HRNet with four branches."""

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to four branches."""
        return self.branches(pixels)


class NormedConvolution(nn.Module):
    """3x3 without bias, group norm, ReLU; keys `conv` and `gn`."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.gn = nn.GroupNorm(groups, outputs)
        nn.init.normal_(self.conv.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        return functional.relu(self.gn(self.conv(x)))


class LevelScale(nn.Module):
    """One learnt factor; key `scale`."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x * self.scale


class FeatureAdaption(nn.Module):
    """Moves both branches' features to where the first guess puts the joints."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_offset = nn.Conv2d(2 * JOINTS, OFFSET_GROUPS * 18, 1, bias=False)
        self.conv_adaption_reg = DeformableConvolution(channels, channels, groups=OFFSET_GROUPS)
        self.conv_adaption_cls = DeformableConvolution(channels, channels, groups=OFFSET_GROUPS)
        nn.init.normal_(self.conv_offset.weight, std=0.1)
        nn.init.normal_(self.conv_adaption_reg.weight, std=0.01)
        nn.init.normal_(self.conv_adaption_cls.weight, std=0.01)

    def forward(self, regression: Tensor, person: Tensor, initial: Tensor) -> tuple[Tensor, Tensor]:
        """Both (B, C, H, W), and (B, 34, H, W) in strides, which gets no gradient."""
        offset = self.conv_offset(initial.detach())
        moved = functional.relu(self.conv_adaption_reg(regression, offset))
        return moved, functional.relu(self.conv_adaption_cls(person, offset))


class SmprHead(nn.Module):
    """The head, with one set of weights for all levels but the two scales."""

    def __init__(self, form: HeadForm | None = None) -> None:
        super().__init__()
        form = form or HeadForm()
        C, heat, groups = form.channels, form.heat_channels, form.norm_groups
        self.cls_convs, self.reg_convs = (
            nn.ModuleList(NormedConvolution(C, C, groups) for _ in range(form.convolutions))
            for _ in range(2)
        )
        self.hm_convs = nn.ModuleList(
            NormedConvolution(inputs, heat, groups) for inputs in (C, heat)
        )
        self.hm_out = head_output(heat, JOINTS)
        self.fcos_cls = head_output(C, 1)
        self.fcos_reg = head_output(C, 2 * JOINTS)
        self.fcos_rescore = head_output(C, 1)
        self.scales_1 = nn.ModuleList(LevelScale() for _ in range(form.levels))
        self.scales_2 = nn.ModuleList(LevelScale() for _ in range(form.levels))
        self.feature_adaption = FeatureAdaption(C)
        self.fcos_refine_out = head_output(C, 2 * JOINTS)
        self.joint_similarity = head_output(C, JOINTS) if form.joint_similarity else None
        for rare in (self.fcos_cls, self.hm_out):
            start_rare(rare)

    def forward(
        self, pyramid: Sequence[Tensor], guesses: Sequence[Tensor] | None = None
    ) -> SmprMaps:
        """Levels, finest first, (B, C, H, W) each.

        Args:
            pyramid: the levels.
            guesses: of each level (B, 34, H, W) in strides, to which the initial pose adds;
                none in the paper.
        """
        known: Sequence[Tensor | None] = guesses or [None] * len(pyramid)
        levels = [
            self._level(x, index, guess)
            for index, (x, guess) in enumerate(zip(pyramid, known, strict=True))
        ]
        person, initial, refined, similarity, joints = zip(*levels, strict=True)
        joint_heat = self.hm_out(through(self.hm_convs, pyramid[0])) if self.training else None
        scored = self.joint_similarity is not None
        return SmprMaps(
            person, initial, refined, similarity, joint_heat, joints if scored else None
        )

    def _level(self, x: Tensor, index: int, guess: Tensor | None) -> tuple[Tensor | None, ...]:
        person, regression = through(self.cls_convs, x), through(self.reg_convs, x)
        initial = self.scales_1[index](self.fcos_reg(regression))
        if guess is not None:
            initial = initial + guess
        regression, person = self.feature_adaption(regression, person, initial)
        refined = initial.detach() + self.scales_2[index](self.fcos_refine_out(regression))
        joints = self.joint_similarity(regression) if self.joint_similarity else None
        return self.fcos_cls(person), initial, refined, self.fcos_rescore(regression), joints


class Smpr(nn.Module):
    """Backbone, pyramid and head.

    Args:
        backbone: what gives the pyramid its maps.
        neck: maps to P3..P7.
    """

    def __init__(self, backbone: nn.Module, neck: nn.Module) -> None:
        super().__init__()
        self.backbone, self.neck, self.bbox_head = backbone, neck, SmprHead()

    def forward(self, pixels: Tensor) -> SmprMaps:
        """(B, 3, H, W) BGR less `MEAN_BGR`, sides multiples of 32."""
        maps: SmprMaps = self.bbox_head(self.neck(self.backbone(pixels)))
        return maps


def smpr_r50() -> Smpr:
    """SMPR on ResNet-50 and PAFPN."""
    return Smpr(Backbone50(), Pafpn())


def smpr_hrnet(width: int = 32) -> Smpr:
    """SMPR on HRNet and HRFPN."""
    return Smpr(BackboneHr(width), Hrfpn(sum(branch_channels(width))))


def smpr_pixels(canvas: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) RGB to the network's (B, 3, H, W): BGR less the mean; both backbones."""
    bgr = canvas.float().permute(0, 3, 1, 2).flip(1)
    return bgr - torch.tensor(MEAN_BGR, device=canvas.device).view(1, 3, 1, 1)


def head_output(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution with bias that starts small."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.normal_(convolution.weight, std=0.01)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


def start_rare(output: nn.Conv2d) -> None:
    """Starts logits with one positive in a hundred, as the focal loss wants it."""
    if output.bias is not None:
        nn.init.constant_(output.bias, -math.log(99))


def through(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """One layer after the other."""
    for layer in layers:
        x = layer(x)
    return x
