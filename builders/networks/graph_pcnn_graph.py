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
        first_cell_px: where the maps' first cell lies in the crop; 0 in HRNet's code.
    """

    def __init__(
        self,
        network: GraphPcnn,
        order: ChannelOrder,
        flip: FlipTest,
        first_cell_px: float = 0.0,
    ) -> None:
        super().__init__()
        self.network, self.flip, self.first_cell_px = network, flip, first_cell_px
        self.normalise = Normalise(order)

    def forward(self, crops: Tensor) -> Tensor:
        """See the class; confidences are the heats of the first stage, as in the paper."""
        pixels = self.normalise(crops)
        both = self.flip is FlipTest.AVERAGE
        cells, value = self.network.flip_forward(pixels) if both else self.network(pixels)
        size = (pixels.shape[3], pixels.shape[2])
        crop = to_crop(cells, (size[0] // STRIDE, size[1] // STRIDE), size) + self.first_cell_px
        return torch.cat((crop, value[..., None]), -1)
