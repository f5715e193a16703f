"""SimpleBaseline: a ResNet and three transposed convolutions.

Source: Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking" (ECCV 2018); key
names of microsoft/human-pose-estimation.pytorch (`pose_resnet_{50,101,152}_*.pth.tar`).
"""

import copy

from torch import Tensor, nn

from builders.networks.residual import initialise_normal
from builders.networks.resnet import ResNet, Stride

JOINTS = 17
DECONV_CHANNELS = 256


class SimpleBaseline(ResNet):
    """Crop in, 17 maps at stride 4 out.

    Args:
        depth: of the ResNet: 50, 101 or 152.
        stride: CAFFE is the variant of the microsoft repository's `pose_resnet_caffe`.
        inputs: channels of the picture.
    """

    def __init__(self, depth: int, stride: Stride = Stride.PYTORCH, inputs: int = 3) -> None:
        super().__init__(depth, stride, inputs)
        self.deconv_layers = nn.Sequential(
            *_deconvolution(2048),
            *_deconvolution(DECONV_CHANNELS),
            *_deconvolution(DECONV_CHANNELS),
        )
        self.final_layer = nn.Conv2d(DECONV_CHANNELS, JOINTS, 1)
        initialise_normal(self.deconv_layers)
        initialise_normal(self.final_layer)

    @property
    def feature_channels(self) -> int:
        """Channels of `features`."""
        return DECONV_CHANNELS

    def features(self, shared: list[Tensor]) -> Tensor:
        """What `shared` returned to (B, 256, H/4, W/4)."""
        maps: Tensor = self.deconv_layers(self.layer4(shared[-1]))
        return maps

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, inputs, H, W), sides multiples of 32, to heatmaps (B, 17, H/4, W/4)."""
        return self.heat(self.shared(pixels))

    def heat(self, shared: list[Tensor]) -> Tensor:
        """What `shared` returned to heatmaps (B, 17, H/4, W/4)."""
        heat: Tensor = self.final_layer(self.features(shared))
        return heat

    def copy_of_last_stage(self) -> "DeconvolutionStage":
        """layer4 and the transposed convolutions with their present weights, on their own."""
        return DeconvolutionStage(copy.deepcopy(self.layer4), copy.deepcopy(self.deconv_layers))


class DeconvolutionStage(nn.Module):
    """A copied last stage (Graph-PCNN's second feature map); keys `layer4`, `deconv_layers`."""

    def __init__(self, layer4: nn.Sequential, deconv_layers: nn.Sequential) -> None:
        super().__init__()
        self.layer4, self.deconv_layers = layer4, deconv_layers

    def forward(self, shared: list[Tensor]) -> Tensor:
        """What `ResNet.shared` returned to (B, 256, H/4, W/4)."""
        maps: Tensor = self.deconv_layers(self.layer4(shared[-1]))
        return maps


def _deconvolution(inputs: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return (
        nn.ConvTranspose2d(inputs, DECONV_CHANNELS, 4, 2, 1, bias=False),
        nn.BatchNorm2d(DECONV_CHANNELS),
        nn.ReLU(),
    )
