"""Start weights under published names."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from builders.export import load_from_onnx
from builders.training.checkpoint import averaged_weights
from stream.errors import ArtefactError, ConfigError


def load_start(network: nn.Module, path: Path, new_parts: Sequence[str]) -> None:
    """Loads a plain state under published names; what it has more is left.

    A first convolution with more inputs than the state's (PoseFix's drawn pose) keeps its own start
    for the further ones.

    Args:
        network: gets the weights.
        path: of the state.
        new_parts: how the names begin that may be missing.

    Raises:
        ConfigError: if it cannot be read or lacks another weight.
    """
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ConfigError(f"start_weights {path}: {error.strerror}") from error
    state = {name.removeprefix("module."): value for name, value in saved.items()}
    own = network.state_dict()
    state = {name: _filled(value, own.get(name)) for name, value in state.items()}
    fitting = {n: v for n, v in state.items() if n in own and own[n].shape == v.shape}
    missing, _ = network.load_state_dict(fitting, strict=False)
    needed = [name for name in missing if not name.endswith("num_batches_tracked")]
    lacking = [name for name in needed if not name.startswith(tuple(new_parts))]
    if lacking:
        raise ConfigError(
            f"start_weights {path}: lacks {len(lacking)} weights of the trunk, as {lacking[0]}; "
            "expected a state under the published names"
        )


def _filled(value: Any, own: Tensor | None) -> Any:
    """A convolution's weights for the first inputs of a wider one."""
    if own is None or own.ndim != 4 or not own.shape[1] > value.shape[1] == 3:
        return value
    return torch.cat((value, own[:, 3:]), 1)


def between(start: nn.Module, learnt: nn.Module, share: float) -> nn.Module:
    """A copy of `learnt` that went only a share of its way from `start`, a network of its kind.

    It keeps more of what the start weights knew of other pictures, and is often better on both
    (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
    """
    other, began = copy.deepcopy(learnt), start.state_dict()
    state = {
        name: torch.lerp(began[name].to(value), value, share)
        if value.is_floating_point()
        else value
        for name, value in learnt.state_dict().items()
    }
    other.load_state_dict(state)
    return other


def load_run(network: nn.Module, checkpoint: Path) -> None:
    """Loads the averaged weights of a run of the same network, or those of a released graph of it.

    Args:
        network: gets the weights.
        checkpoint: of the run, its `released.pt`, or a model folder's `model.onnx`.

    Raises:
        ConfigError: if it cannot be read, or is another network's.
    """
    try:
        if checkpoint.suffix == ".onnx":
            load_from_onnx(network, checkpoint)
        else:
            weights, _ = averaged_weights(checkpoint)
            network.load_state_dict(weights)
    except (OSError, KeyError, RuntimeError, ArtefactError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"checkpoint {checkpoint}: is no run of this network: {reason}"
        ) from error
