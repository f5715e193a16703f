"""Graph-PCNN as it is exported: crops in, refined keypoints out."""

import torch
from torch import Tensor, nn

from builders.networks.graph_pcnn import GraphPcnn
from builders.networks.heatmap_decode import to_crop
from builders.networks.topdown_graph import ChannelOrder, FlipTest, Normalise

STRIDE = 4


class GraphPcnnGraph(nn.Module):
    """uint8 crops (N, h, w, 3) RGB to keypoints (N, 17, 3): x, y in crop pixels, confidence.

    Args:
        network: trained.
        order: of the channels that the network was trained with.
        flip: whether to average with the mirror image.
    """

    def __init__(self, network: GraphPcnn, order: ChannelOrder, flip: FlipTest) -> None:
        super().__init__()
        self.network, self.flip = network, flip
        self.normalise = Normalise(order)

    def forward(self, crops: Tensor) -> Tensor:
        """See the class; confidences are the heats of the first stage, as in the paper."""
        pixels = self.normalise(crops)
        both = self.flip is FlipTest.AVERAGE
        cells, value = self.network.flip_forward(pixels) if both else self.network(pixels)
        size = (pixels.shape[3], pixels.shape[2])
        crop = to_crop(cells, (size[0] // STRIDE, size[1] // STRIDE), size)
        return torch.cat((crop, value[..., None]), -1)
