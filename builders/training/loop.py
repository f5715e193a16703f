"""The training loop: seeded, resumable, bf16 on CPU, with averaged weights and curves."""

import copy
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader

from builders.networks.bottom_up import CompactBottomUp
from builders.training.curves import draw_curves
from builders.training.dataset import Example, Examples, TrainingSet
from builders.training.losses import bottom_up_loss
from builders.training.recipe import Recipe

Evaluate = Callable[[CompactBottomUp], dict[str, float]]
"""Accuracy of the averaged network, by metric name."""


@dataclass(slots=True)
class TrainingState:
    """What a checkpoint holds; owned by `train`."""

    network: CompactBottomUp
    averaged: CompactBottomUp
    optimizer: torch.optim.Optimizer
    step: int
    history: list[dict[str, float]]

    def save(self, path: Path) -> None:
        """Writes the checkpoint; a half-written one never replaces a whole one."""
        partial = path.with_suffix(".partial")
        torch.save(
            {
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "history": self.history,
            },
            partial,
        )
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Continues where `path` was saved."""
        saved = torch.load(path, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.averaged.load_state_dict(saved["averaged"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.history = saved["step"], saved["history"]


def new_state(recipe: Recipe, network: CompactBottomUp) -> TrainingState:
    """A fresh run: new heads and what came with start weights learn at their own rates.

    The early trunk does not learn at all.
    """
    early = {id(parameter) for parameter in network.trunk.early_parameters()}
    for parameter in network.trunk.early_parameters():
        parameter.requires_grad_(False)  # noqa: FBT003 - torch's signature
    started = [*network.trunk.parameters(), *network.first.parameters()]
    trunk = [parameter for parameter in started if id(parameter) not in early]
    inside = {id(parameter) for parameter in started}
    heads = [parameter for parameter in network.parameters() if id(parameter) not in inside]
    groups: list[dict[str, Any]] = [
        {"params": heads, "lr": recipe.head_rate, "top": recipe.head_rate, "start": 0}
    ]
    for parameter in trunk:
        top = recipe.trunk_rate * _root_mean_square(parameter)
        groups.append({"params": [parameter], "lr": 0.0, "top": top, "start": recipe.head_steps})
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network).eval()
    return TrainingState(network, averaged, torch.optim.Adam(groups), 0, [])


def train(
    recipe: Recipe,
    sets: Sequence[TrainingSet],
    state: TrainingState,
    folder: Path,
    evaluate: Evaluate,
) -> None:
    """Trains until the recipe's last step; checkpoints and curves go to `folder`."""
    by_name = {item.name: item.pictures for item in sets}
    pasted = [picture for name in recipe.pasted for picture in by_name[name]]
    drawn = [item for item in sets if item.share > 0]
    examples = Examples(
        drawn, pasted, recipe.augment, recipe.targets, recipe.seed * 1_000_003 + state.step
    )
    loader = DataLoader(examples, recipe.batch, num_workers=recipe.workers)
    with _progress() as progress:
        bar = progress.add_task(recipe.name, total=recipe.steps, completed=state.step, loss=0.0)
        for batch in islice(_endless(loader), recipe.steps - state.step):
            losses = train_step(recipe, state, batch)
            state.history.append({"step": state.step, **losses})
            progress.update(bar, completed=state.step, loss=losses["loss"])
            _milestones(recipe, state, folder, evaluate)


def train_step(recipe: Recipe, state: TrainingState, batch: Example) -> dict[str, float]:
    """One optimiser step and one step of the averaged weights."""
    state.network.train()
    set_rates(recipe, state)
    pixels, *targets = batch
    with torch.autocast("cpu", torch.bfloat16):
        maps = state.network(normalised(pixels))
    heat, heat_weight, offset, offset_weight = targets
    total, parts = bottom_up_loss(maps, (heat, heat_weight, offset, offset_weight), recipe.loss)
    state.optimizer.zero_grad()
    total.backward()  # type: ignore[no-untyped-call]
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    nn.utils.clip_grad_norm_(parameters, 1.0)
    state.optimizer.step()
    state.step += 1
    average(state, min(recipe.ema_decay, (1 + state.step) / (10 + state.step)))
    return {"loss": total.item(), **parts}


def _root_mean_square(parameter: nn.Parameter) -> float:
    """Folded batch norms leave weights of very unequal size: each learns relative to its own."""
    return float(parameter.detach().square().mean().sqrt().clamp(min=1e-4))


def set_rates(recipe: Recipe, state: TrainingState) -> None:
    """Warm-up, then half a cosine; each group joins at its `start`."""
    cosine = 0.5 * (1 + math.cos(math.pi * state.step / recipe.steps)) + 0.01
    for group in state.optimizer.param_groups:
        since = state.step - group["start"]
        warm = min(1.0, max(0.0, (since + 1) / recipe.warmup_steps))
        group["lr"] = group["top"] * cosine * warm
        for parameter in group["params"]:
            parameter.requires_grad_(since >= 0)


def normalised(pixels: Tensor) -> Tensor:
    """(B, 3, S, S) uint8 to floats in [-1, 1], channels last."""
    return (pixels.float() / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)


def average(state: TrainingState, decay: float) -> None:
    """Exponential moving average of parameters; buffers are copied."""
    with torch.no_grad():
        own = dict(state.network.named_parameters())
        for name, parameter in state.averaged.named_parameters():
            parameter.lerp_(own[name], 1 - decay)
        buffers = dict(state.network.named_buffers())
        for name, buffer in state.averaged.named_buffers():
            buffer.copy_(buffers[name])


def _milestones(recipe: Recipe, state: TrainingState, folder: Path, evaluate: Evaluate) -> None:
    last = state.step == recipe.steps
    if last or state.step % recipe.evaluate_every == 0:
        state.history[-1] |= evaluate(state.averaged)
    if last or state.step % recipe.checkpoint_every == 0:
        state.save(folder / "checkpoint.pt")
        lines = (json.dumps(entry) + "\n" for entry in state.history)
        (folder / "history.jsonl").write_text("".join(lines), encoding="utf-8")
        draw_curves(state.history, folder / "curves.png", recipe.name)


def _endless(loader: "DataLoader[Example]") -> Iterator[Example]:
    while True:
        yield from loader


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.5f}"),
        TimeRemainingColumn(),
    )
