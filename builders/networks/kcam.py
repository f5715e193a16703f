"""KCAM: keypoint context aggregation on any heatmap network.

Follows the paper (no code was published); a joint's region is the place where its intermediate map
is high, its representation the mean feature there, and every pixel gathers the representations of
the joints it resembles. What the paper leaves open is marked "ours".
"""

import copy
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn

from builders.networks.compact_heatmaps import LITTLE_HEAT, HeatLayer
from builders.networks.heatmap_network import HeatmapNetwork
from builders.networks.heatmap_targets import heatmap_loss
from builders.networks.residual import pointwise

INTERMEDIATE_WEIGHT = 0.2


class RegionWeights(Enum):
    """How an intermediate map becomes the weights of a region's pixels (open in the paper)."""

    RELU_SHARE = "relu(g) over its sum"
    """Ours: maps trained by MSE lie in [0, 1], where a plain softmax would be nearly flat."""
    SOFTMAX = "softmax of scale * g"


@dataclass(frozen=True, slots=True)
class KcamSettings:
    """What the paper leaves open; the defaults are ours."""

    regions: RegionWeights = RegionWeights.RELU_SHARE
    softmax_scale: float = 1.0
    """Of `RegionWeights.SOFTMAX`."""
    similarity_scale: float = 1.0
    """Factor of the similarities before their softmax; the paper has none (OCR: C^-0.5)."""


@dataclass(frozen=True, slots=True, eq=False)
class KcamMaps:
    """Both are trained; the final ones are the result."""

    final: Tensor
    """(B, 17, H, W)."""
    intermediate: Tensor
    """(B, 17, H, W)."""


class KeypointContext(nn.Module):
    """Features and intermediate maps to features with context.

    Args:
        channels: C.
        settings: what the paper leaves open.
    """

    def __init__(self, channels: int, settings: KcamSettings) -> None:
        super().__init__()
        self.settings = settings
        self.query = pointwise(channels, channels)
        self.key = pointwise(channels, channels)
        self.value = pointwise(channels, channels)
        self.fusion = pointwise(2 * channels, channels)

    def forward(self, features: Tensor, maps: Tensor) -> Tensor:
        """(B, C, H, W) and (B, 17, H, W) to (B, C, H, W)."""
        B, C, H, W = features.shape
        weights = region_weights(maps, self.settings)  # (B, K, H * W)
        regions = weights @ features.flatten(2).transpose(1, 2)  # (B, K, C)
        regions = regions.transpose(1, 2)[..., None]  # (B, C, K, 1)
        keys = self.key(regions)[..., 0]  # (B, C, K)
        values = self.value(regions)[..., 0]
        queries = self.query(features).flatten(2).transpose(1, 2)  # (B, H * W, C)
        likeness = (queries @ keys * self.settings.similarity_scale).softmax(-1)  # over joints
        context = (likeness @ values.transpose(1, 2)).transpose(1, 2).reshape(B, C, H, W)
        fused: Tensor = self.fusion(torch.cat((features, context), 1))
        return fused


def region_weights(maps: Tensor, settings: KcamSettings) -> Tensor:
    """(B, K, H, W) to (B, K, H * W) weights: each map sums to 1, or to 0 if it has no heat."""
    flat = maps.flatten(2)
    if settings.regions is RegionWeights.SOFTMAX:
        return (flat * settings.softmax_scale).softmax(-1)
    heat = flat.relu()
    return heat / heat.sum(-1, keepdim=True).clamp(min=1e-6)


class Kcam(nn.Module):
    """A heatmap network whose output maps become the intermediate ones; new final maps follow.

    Args:
        network: its `final_layer` makes the intermediate maps.
        settings: what the paper leaves open.
    """

    def __init__(self, network: HeatmapNetwork, settings: KcamSettings | None = None) -> None:
        super().__init__()
        channels = network.feature_channels
        self.network = network
        self.context = KeypointContext(channels, settings or KcamSettings())
        self.final_layer = _anew(network.final_layer)

    def start_as_network(self, pixels: Tensor) -> None:
        """Makes the final maps begin as the intermediate ones of a trained network (ours).

        The fusion passes the features through (they must not be negative), the context has no
        weight yet; so a short schedule begins where the network stands.

        Args:
            pixels: (B, 3, H, W) normalised, for the means of the fusion's batch norm.
        """
        with torch.no_grad():
            features = self.network.features(self.network.shared(pixels))
        convolution, norm = self.context.fusion[0], self.context.fusion[1]
        if not (isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
            raise TypeError(f"expected convolution and norm, got {self.context.fusion}")
        channels = features.shape[1]
        mean, variance = features.mean((0, 2, 3)), features.var((0, 2, 3))
        with torch.no_grad():
            convolution.weight.zero_()
            convolution.weight[:, :channels, 0, 0] = torch.eye(channels)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(mean)
            norm.running_mean, norm.running_var = mean.clone(), variance.clone()
        self.final_layer = copy.deepcopy(self.network.final_layer)

    def maps(self, pixels: Tensor) -> KcamMaps:
        """(B, 3, H, W) normalised to both sets of maps, as training needs them."""
        features = self.network.features(self.network.shared(pixels))
        intermediate = self.network.final_layer(features)
        return KcamMaps(self.final_layer(self.context(features, intermediate)), intermediate)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) normalised to the final heatmaps (B, 17, H/4, W/4)."""
        return self.maps(pixels).final


def _anew(layer: nn.Conv2d) -> nn.Conv2d:
    """A layer of the same kind with start weights: compact networks end with a sigmoid."""
    final = copy.deepcopy(layer)
    nn.init.normal_(final.weight, std=0.001)
    if final.bias is not None:
        nn.init.constant_(final.bias, LITTLE_HEAT if isinstance(final, HeatLayer) else 0.0)
    return final


def kcam_loss(maps: KcamMaps, target: Tensor, weight: Tensor) -> Tensor:
    """Loss of the final maps and 0.2 of that of the intermediate ones.

    Args:
        maps: both.
        target: (B, 17, H, W) Gaussians, for both.
        weight: (B, 17).
    """
    intermediate = heatmap_loss(maps.intermediate, target, weight)
    return heatmap_loss(maps.final, target, weight) + INTERMEDIATE_WEIGHT * intermediate
