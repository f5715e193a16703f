"""HRNet's forward pass written straight from its published key names, layer by layer."""

import torch
from torch import Tensor
from torch.nn import functional

from tests.builders.networks.random_weights import State, basic_block, bottleneck, conv, norm


def hrnet_branches(state: State, pixels: Tensor, outputs: int) -> list[Tensor]:
    x = norm(state, "bn1", conv(state, "conv1", pixels, 2, 1)).relu()
    x = norm(state, "bn2", conv(state, "conv2", x, 2, 1)).relu()
    for block in range(4):
        x = bottleneck(state, f"layer1.{block}", x)
    maps = [_down(state, "transition1.0", x, 1), _down(state, "transition1.1.0", x, 2)]
    maps = _stage(state, "stage2.0", maps, 2)
    maps.append(_down(state, "transition2.2.0", maps[-1], 2))
    for module in range(4):
        maps = _stage(state, f"stage3.{module}", maps, 3)
    maps.append(_down(state, "transition3.3.0", maps[-1], 2))
    for module in range(3):
        maps = _stage(state, f"stage4.{module}", maps, outputs if module == 2 else 4)
    return maps


def _down(state: State, key: str, x: Tensor, stride: int) -> Tensor:
    return norm(state, f"{key}.1", conv(state, f"{key}.0", x, stride, 1)).relu()


def _stage(state: State, key: str, maps: list[Tensor], outputs: int) -> list[Tensor]:
    maps = list(maps)
    for branch, _ in enumerate(maps):
        for block in range(4):
            maps[branch] = basic_block(state, f"{key}.branches.{branch}.{block}", maps[branch])
    fused = []
    for i in range(outputs):
        keys = [f"{key}.fuse_layers.{i}.{j}" for j in range(len(maps))]
        parts = [_fuse(state, keys[j], i, j, x) for j, x in enumerate(maps)]
        fused.append(torch.stack(parts).sum(0).relu())
    return fused


def _fuse(state: State, key: str, i: int, j: int, x: Tensor) -> Tensor:
    if j > i:
        x = norm(state, f"{key}.1", conv(state, f"{key}.0", x))
        return functional.interpolate(x, scale_factor=2 ** (j - i), mode="nearest")
    for step in range(i - j):
        x = norm(state, f"{key}.{step}.1", conv(state, f"{key}.{step}.0", x, 2, 1))
        x = x.relu() if step < i - j - 1 else x
    return x
