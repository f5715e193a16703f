"""Weights that let every layer be seen in the output, and functional layers addressed by key."""

import torch
from torch import Tensor, nn
from torch.nn import functional

State = dict[str, Tensor]


def randomise(network: nn.Module, seed: int = 0) -> None:
    """Fills all parameters and batch norm statistics in float64 and puts the network to eval."""
    generator = torch.Generator().manual_seed(seed)
    network.double().eval()
    for name, value in network.state_dict().items():
        if name.endswith(("num_batches_tracked", "regular_matrix")):
            continue
        noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        if value.ndim > 1:
            value.copy_(noise * (2 / value[0].numel()) ** 0.5)
        elif name.endswith(("running_var", "weight")):
            value.copy_(1 + 0.2 * noise.abs())
        else:
            value.copy_(0.2 * noise)


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def conv(state: State, key: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return functional.conv2d(x, state[f"{key}.weight"], state.get(f"{key}.bias"), stride, padding)


def norm(state: State, key: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    mean, variance = state[f"{key}.running_mean"], state[f"{key}.running_var"]
    scale, shift = state[f"{key}.weight"], state[f"{key}.bias"]
    view = (1, -1, 1, 1)
    x = (x - mean.view(view)) / (variance.view(view) + eps).sqrt()
    return x * scale.view(view) + shift.view(view)


def bottleneck(state: State, key: str, x: Tensor, strides: tuple[int, int] = (1, 1)) -> Tensor:
    y = norm(state, f"{key}.bn1", conv(state, f"{key}.conv1", x, strides[0])).relu()
    y = norm(state, f"{key}.bn2", conv(state, f"{key}.conv2", y, strides[1], 1)).relu()
    y = norm(state, f"{key}.bn3", conv(state, f"{key}.conv3", y))
    if f"{key}.downsample.0.weight" in state:
        x = conv(state, f"{key}.downsample.0", x, strides[0] * strides[1])
        x = norm(state, f"{key}.downsample.1", x)
    return (x + y).relu()


def basic_block(state: State, key: str, x: Tensor) -> Tensor:
    y = norm(state, f"{key}.bn1", conv(state, f"{key}.conv1", x, 1, 1)).relu()
    return (x + norm(state, f"{key}.bn2", conv(state, f"{key}.conv2", y, 1, 1))).relu()
