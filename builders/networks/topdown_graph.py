"""The exported top-down model: uint8 crops in, keypoints in crop pixels out."""

from enum import Enum

import torch
from torch import Tensor, nn

from builders.networks.heatmap_decode import PeakFinder, flip_average, peaks, to_crop

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""ImageNet's, in the order R, G, B."""
HALVES = (0.5, 0.5, 0.5)
"""Mean and deviation that bring pixels to -1 to 1."""


class ChannelOrder(Enum):
    """In which order a checkpoint wants the channels; the constants above stay in R, G, B order."""

    RGB = "HRNet configurations"
    BGR = "pose_resnet configurations (COLOR_RGB false)"
    RGB_SYMMETRIC = "MoveNet's graphs: R, G, B from -1 to 1, without ImageNet's constants"


class FlipTest(Enum):
    """Whether the mirror image is run as well; it doubles the work and is how papers test."""

    OFF = "off"
    AVERAGE = "average"


class Normalise(nn.Module):
    """uint8 (N, h, w, 3) RGB to (N, 3, h, w), less the mean, over the deviation."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, order: ChannelOrder) -> None:
        super().__init__()
        self.order = order
        symmetric = order is ChannelOrder.RGB_SYMMETRIC
        mean, deviation = (HALVES, HALVES) if symmetric else (MEAN, DEVIATION)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        own = torch.tensor(deviation).view(1, 3, 1, 1)
        self.register_buffer("deviation", own, persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """See the class."""
        pixels = crops.to(self.mean.dtype).permute(0, 3, 1, 2)
        if self.order is ChannelOrder.BGR:
            pixels = pixels.flip(1)
        return (pixels / 255 - self.mean) / self.deviation


class TopDownGraph(nn.Module):
    """uint8 crops (N, h, w, 3) RGB to keypoints (N, 17, 3): x, y in crop pixels, confidence.

    Args:
        network: crops to heatmaps (N, 17, h/4, w/4).
        order: of the channels that the network was trained with.
        flip: whether to average with the mirror image.
        first_cell_px: where the maps' first cell lies in the crop; 0 in HRNet's code.
        find_peaks: from heat to joints; HRNet's code by default.
    """

    def __init__(
        self,
        network: nn.Module,
        order: ChannelOrder,
        flip: FlipTest,
        first_cell_px: float = 0.0,
        find_peaks: PeakFinder = peaks,
    ) -> None:
        super().__init__()
        self.network, self.flip, self.first_cell_px = network, flip, first_cell_px
        self.find_peaks = find_peaks
        self.normalise = Normalise(order)

    def forward(self, crops: Tensor) -> Tensor:
        """See the class."""
        pixels = self.normalise(crops)
        heat = self.network(pixels)
        if self.flip is FlipTest.AVERAGE:
            heat = flip_average(heat, self.network(pixels.flip(3)))
        points, values = self.find_peaks(heat)
        size = (heat.shape[3], heat.shape[2])
        crop = to_crop(points, size, (pixels.shape[3], pixels.shape[2])) + self.first_cell_px
        return torch.cat((crop, values[..., None]), -1)
