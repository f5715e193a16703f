"""SMPR: single-stage pose regression with a refined pose and its predicted OKS at every location.

Source: "SMPR: Single-Stage Multi-Person Pose Regression"; follows the released code, whose head
is FCOS's: shared weights at strides 8 to 128, offsets in strides, deformable convolutions steered
by the first guess. Key names as released (`backbone.*`, `neck.*`, `bbox_head.*`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.deformable import DeformableConvolution
from builders.networks.hrnet import HrNetTrunk, branch_channels
from builders.networks.pyramids import CHANNELS, Hrfpn, Pafpn
from builders.networks.resnet import ResNet, Stride

JOINTS = 17
STRIDES = (8, 16, 32, 64, 128)
GROUPS = 32
OFFSET_GROUPS = 4
HEAT_CHANNELS = 128
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


class _Normed(nn.Module):
    """3x3 without bias, group norm, ReLU; keys `conv` and `gn`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.gn = nn.GroupNorm(GROUPS, outputs)
        nn.init.normal_(self.conv.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.gn(self.conv(x)))


class _Scale(nn.Module):
    """One learnt factor; key `scale`."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class FeatureAdaption(nn.Module):
    """Moves both branches' features to where the first guess puts the joints."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_offset = nn.Conv2d(2 * JOINTS, OFFSET_GROUPS * 18, 1, bias=False)
        self.conv_adaption_reg = DeformableConvolution(CHANNELS, CHANNELS, groups=OFFSET_GROUPS)
        self.conv_adaption_cls = DeformableConvolution(CHANNELS, CHANNELS, groups=OFFSET_GROUPS)
        nn.init.normal_(self.conv_offset.weight, std=0.1)
        nn.init.normal_(self.conv_adaption_reg.weight, std=0.01)
        nn.init.normal_(self.conv_adaption_cls.weight, std=0.01)

    def forward(self, regression: Tensor, person: Tensor, initial: Tensor) -> tuple[Tensor, Tensor]:
        """Both (B, 256, H, W), and (B, 34, H, W) in strides, which gets no gradient."""
        offset = self.conv_offset(initial.detach())
        moved = functional.relu(self.conv_adaption_reg(regression, offset))
        return moved, functional.relu(self.conv_adaption_cls(person, offset))


class SmprHead(nn.Module):
    """The head, with one set of weights for all levels but the two scales."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_convs = nn.ModuleList(_Normed(CHANNELS, CHANNELS) for _ in range(4))
        self.reg_convs = nn.ModuleList(_Normed(CHANNELS, CHANNELS) for _ in range(4))
        self.hm_convs = nn.ModuleList(
            [_Normed(CHANNELS, HEAT_CHANNELS), _Normed(HEAT_CHANNELS, HEAT_CHANNELS)]
        )
        self.hm_out = _out(HEAT_CHANNELS, JOINTS)
        self.fcos_cls = _out(CHANNELS, 1)
        self.fcos_reg = _out(CHANNELS, 2 * JOINTS)
        self.fcos_rescore = _out(CHANNELS, 1)
        self.scales_1 = nn.ModuleList(_Scale() for _ in STRIDES)
        self.scales_2 = nn.ModuleList(_Scale() for _ in STRIDES)
        self.feature_adaption = FeatureAdaption()
        self.fcos_refine_out = _out(CHANNELS, 2 * JOINTS)
        for rare in (self.fcos_cls, self.hm_out):  # starts with one positive in a hundred
            if rare.bias is not None:
                nn.init.constant_(rare.bias, -math.log(99))

    def forward(self, pyramid: Sequence[Tensor]) -> SmprMaps:
        """P3..P7, (B, 256, H, W) each."""
        levels = [self._level(x, index) for index, x in enumerate(pyramid)]
        person, initial, refined, similarity = zip(*levels, strict=True)
        joint_heat = self.hm_out(_through(self.hm_convs, pyramid[0])) if self.training else None
        return SmprMaps(person, initial, refined, similarity, joint_heat)

    def _level(self, x: Tensor, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        person, regression = _through(self.cls_convs, x), _through(self.reg_convs, x)
        initial = self.scales_1[index](self.fcos_reg(regression))
        regression, person = self.feature_adaption(regression, person, initial)
        refined = initial.detach() + self.scales_2[index](self.fcos_refine_out(regression))
        return self.fcos_cls(person), initial, refined, self.fcos_rescore(regression)


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


def _out(inputs: int, outputs: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.normal_(convolution.weight, std=0.01)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


def _through(layers: nn.ModuleList, x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x
