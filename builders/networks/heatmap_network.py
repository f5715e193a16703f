"""What Graph-PCNN and KCAM need of a heatmap network; HRNet and SimpleBaseline have it."""

from typing import Protocol

from torch import Tensor, nn


class HeatmapNetwork(Protocol):
    """A torch module from crops (B, 3, H, W) to heatmaps (B, 17, H/4, W/4)."""

    final_layer: nn.Conv2d
    """Features to heatmaps, 1x1."""

    @property
    def feature_channels(self) -> int:
        """C of `features`."""
        ...

    def shared(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to the inputs of the last stage."""
        ...

    def features(self, shared: list[Tensor]) -> Tensor:
        """Inputs of the last stage to its output (B, C, H/4, W/4)."""
        ...

    def heat(self, shared: list[Tensor]) -> Tensor:
        """Inputs of the last stage to heatmaps (B, 17, H/4, W/4)."""
        ...

    def copy_of_last_stage(self) -> nn.Module:
        """A module of its own that starts as `features` is now."""
        ...
