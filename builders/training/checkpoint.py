"""What others than the loop read of a checkpoint."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

RELEASED = "released.pt"
"""Beside the checkpoint of a finished run: what others start from."""


def averaged_weights(checkpoint: Path) -> tuple[dict[str, torch.Tensor], int]:
    """The averaged weights of a checkpoint, on the CPU, and its step."""
    saved: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return saved["averaged"], int(saved["step"])


def save_released(network: nn.Module, step: int, run: Path) -> None:
    """Writes what is released of a run, to start others from; read by `averaged_weights`."""
    torch.save({"averaged": network.state_dict(), "step": step}, run / RELEASED)
