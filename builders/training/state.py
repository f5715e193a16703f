"""What a run consists of between two steps, and its checkpoint."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from builders.training.recipe import Recipe
from builders.training.relative_adam import RelativeAdam, sizes
from builders.training.task import TrainingTask
from stream.errors import ConfigError

CHECKPOINT = "checkpoint.pt"
RECIPE = "recipe.yaml"
"""What a run's folder holds."""
MAY_CHANGE = {"name", "steps", "checkpoint_every", "evaluate_every", "workers"}
"""Settings that a resumed run may have otherwise than its beginning."""


@dataclass(slots=True)
class TrainingState:
    """Owned by `train`. Random numbers have no state: each step makes its own from the seed."""

    network: nn.Module
    averaged: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int

    def save(self, path: Path, recipe: Recipe) -> None:
        """Writes the checkpoint; a half-written one never replaces a whole one."""
        partial = path.with_suffix(".partial")
        torch.save(
            {
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "step": self.step,
                "recipe": recipe.model_dump(mode="json"),
            },
            partial,
        )
        partial.replace(path)

    def load(self, path: Path, recipe: Recipe) -> None:
        """Continues where `path` was saved.

        Raises:
            ConfigError: if it was saved under another recipe.
        """
        device = next(self.network.parameters()).device
        saved = torch.load(path, map_location=device, weights_only=True)
        _require_same(saved.get("recipe", {}), recipe, path)
        self.network.load_state_dict(saved["network"])
        self.averaged.load_state_dict(saved["averaged"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scaler.load_state_dict(saved["scaler"])
        self.step = saved["step"]


def new_state(recipe: Recipe, task: TrainingTask, device: torch.device) -> TrainingState:
    """The beginning of a run: seeded start weights, every group with its rate and first step."""
    torch.manual_seed(recipe.seed)
    network = task.build().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    chosen = task.groups(network, recipe.rate)
    learning = {id(p) for group in chosen for p in group.parameters}
    for parameter in network.parameters():
        parameter.requires_grad_(id(parameter) in learning)
    groups = [
        {
            "params": list(group.parameters),
            "lr": 0.0,
            "top": group.rate,
            "start": group.start,
            "weight_decay": recipe.optimizer.weight_decay
            if group.weight_decay is None
            else group.weight_decay,
        }
        | ({"sizes": [sizes(p) for p in group.parameters]} if group.relative else {})
        for group in chosen
    ]
    averaged = copy.deepcopy(network).eval()
    scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
    return TrainingState(network, averaged, _optimizer(recipe, groups), scaler, 0)


def average(state: TrainingState, decay: float) -> None:
    """Exponential moving average of parameters; buffers are copied.

    The first steps weigh more, so that start weights are soon forgotten.
    """
    decay = min(decay, (1 + state.step) / (10 + state.step))
    with torch.no_grad():
        own = dict(state.network.named_parameters())
        for name, parameter in state.averaged.named_parameters():
            parameter.lerp_(own[name], 1 - decay)
        buffers = dict(state.network.named_buffers())
        for name, buffer in state.averaged.named_buffers():
            buffer.copy_(buffers[name])


def _optimizer(recipe: Recipe, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    if recipe.optimizer.kind == "sgd":
        return torch.optim.SGD(groups, momentum=recipe.optimizer.momentum)
    return RelativeAdam(groups)


def _require_same(saved: dict[str, Any], recipe: Recipe, path: Path) -> None:
    present, before = recipe.model_dump(mode="json"), _with_new_settings(saved, recipe)
    names = [n for n in present if n not in MAY_CHANGE and before.get(n) != present[n]]
    if names:
        raise ConfigError(
            f"checkpoint {path}: made with other settings of {', '.join(names)}; "
            "give another --run folder, or the recipe that lies beside it"
        )


def _with_new_settings(saved: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """A saved recipe with what settings it did not know yet at their defaults."""
    try:
        task = type(recipe.task).model_validate(saved.get("task"))
        return Recipe.model_validate({**saved, "task": task}).model_dump(mode="json")
    except ValidationError:  # of another network, or of settings that are gone: compared as it is
        return saved
