"""Inputs of engines that are torch tensors already, on the device where the engine works."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.engine import Tensors


def is_tensor(array: object) -> bool:
    """Whether it is a tensor of torch, and no array."""
    return hasattr(array, "data_ptr")


def on_processor(inputs: Tensors) -> Tensors:
    """The inputs as arrays; tensors of the processor without a copy."""
    tensors: dict[str, Any] = dict(inputs)
    return {name: one.cpu().numpy() if is_tensor(one) else one for name, one in tensors.items()}


def padded_tensor(rows: Any, padding: int) -> NDArray[np.generic]:
    """The rows, and so many blank ones behind them, on the same device."""
    if not padding:
        whole: NDArray[np.generic] = rows.contiguous()
        return whole
    grown = rows.new_zeros((rows.shape[0] + padding, *rows.shape[1:]))
    grown[: rows.shape[0]] = rows
    padded: NDArray[np.generic] = grown
    return padded
