"""What others than the loop read of a checkpoint."""

from pathlib import Path
from typing import Any

import torch


def averaged_weights(checkpoint: Path) -> tuple[dict[str, torch.Tensor], int]:
    """The averaged weights of a checkpoint, on the CPU, and its step."""
    saved: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return saved["averaged"], int(saved["step"])
