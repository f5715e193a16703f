"""Adam whose steps are relative to the size of what learns.

Weights with folded batch norms are of very unequal size, also within a layer: in MoveNet's
depthwise layers the median output has a fifth of the layer's root mean square, a few have
fifteen times of it. Steps of one size for all spoil the small ones before the large ones move.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def sizes(parameter: nn.Parameter) -> Tensor:
    """Root mean square of each output's weights, (O, 1, ...); of a bias the whole's, a scalar."""
    squares = parameter.detach().float().square()
    if parameter.ndim < 2:
        return squares.mean().sqrt().clamp(min=1e-4)
    whole = squares.mean().sqrt()
    own = squares.flatten(1).mean(1).sqrt().reshape(-1, *[1] * (parameter.ndim - 1))
    return own.clamp(min=1e-4 * max(float(whole), 1.0))


class RelativeAdam(torch.optim.Adam):
    """Adam; groups with `sizes` move by the rate times these."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step."""
        relative = [
            (parameter, parameter.clone(), size)
            for group in self.param_groups
            for parameter, size in zip(group["params"], group.get("sizes", ()), strict=False)
            if parameter.grad is not None
        ]
        loss = super().step(closure)
        for parameter, before, size in relative:
            parameter.sub_(before).mul_(size.to(parameter)).add_(before)
        return loss
