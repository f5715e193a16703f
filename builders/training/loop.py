"""The training loop of every network: seeded, resumable, averaged weights, one or many devices."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Generator, Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from builders.training.checkpoint import save_released
from builders.training.history import Entry, History
from builders.training.processes import ALONE, Rank
from builders.training.rates import set_rates
from builders.training.recipe import Recipe
from builders.training.rows import batches
from builders.training.state import CHECKPOINT, TrainingState, average, new_state
from builders.training.task import Losses, TrainingTask
from stream.errors import ConfigError

CPU = torch.device("cpu")
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run computes and writes."""

    folder: Path
    device: torch.device = CPU
    rank: Rank = ALONE


def train(recipe: Recipe, task: TrainingTask, place: Place) -> TrainingState:
    """Trains until the recipe's last step; continues where the folder's checkpoint stopped.

    Raises:
        ConfigError: if labels are wrong, the checkpoint is another recipe's, or the loss diverges.
    """
    run = begun(recipe, task, place)
    run.go()
    return run.state


def begun(recipe: Recipe, task: TrainingTask, place: Place) -> "TrainingRun":
    """A run that has taken the recipe, and what the folder's checkpoint holds.

    Raises:
        ConfigError: if labels are wrong or the checkpoint is another recipe's.
    """
    if recipe.precision == "fp16" and place.device.type != "cuda":
        raise ConfigError("precision fp16 needs --device cuda; use bf16 on a CPU")
    cv2.setNumThreads(1)  # its threads do not outlive the fork into loader processes: a deadlock
    state = new_state(recipe, task, place.device)
    checkpoint = place.folder / CHECKPOINT
    if checkpoint.exists():
        state.load(checkpoint, recipe)
    return TrainingRun(recipe, task, place, state)


class TrainingRun:
    """A run in progress."""

    def __init__(
        self, recipe: Recipe, task: TrainingTask, place: Place, state: TrainingState
    ) -> None:
        self.recipe, self.task, self.place, self.state = recipe, task, place, state
        self.losses = LossModule(state.network, task)
        self.called: Callable[..., Losses] = self.losses
        self.learning: frozenset[str] = frozenset()

    def go(self) -> None:
        """All steps that are left."""
        state, recipe, leads = self.state, self.recipe, self.place.rank.leads
        history = History(self.place.folder, state.step) if leads else None
        loader = batches(self.task, recipe, self.place.rank, state.step)
        with _progress(leads) as progress:
            bar = progress.add_task(recipe.name, total=recipe.steps, completed=state.step, loss=0.0)
            for batch in loader:
                entry = self.step(batch)
                progress.update(bar, completed=state.step, loss=entry["loss"])
                if history is not None:
                    self.record(history, entry)
        if history is not None:
            history.close()

    def step(self, batch: Any) -> Entry:
        """One optimiser step and one step of the averaged weights."""
        state, recipe = self.state, self.recipe
        state.network.train()
        set_rates(recipe, state.optimizer.param_groups, state.step)
        random = self._random()
        self._wrap()
        with torch.autocast(
            self.place.device.type, DTYPES[recipe.precision], enabled=recipe.precision != "fp32"
        ):
            total, parts = self.called(moved(batch, self.place.device), random)
        state.optimizer.zero_grad()
        state.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        self._descend()
        state.step += 1
        average(state, recipe.ema_decay)
        values = {"loss": total, **parts}
        return self._checked({name: value.item() for name, value in values.items()})

    def _descend(self) -> None:
        state, limit = self.state, self.recipe.optimizer.clip_norm
        state.scaler.unscale_(state.optimizer)
        if limit is not None:
            groups = state.optimizer.param_groups
            parameters = [p for group in groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, limit)
        state.scaler.step(state.optimizer)
        state.scaler.update()

    def record(self, history: History, entry: Entry) -> None:
        """Measures, saves and draws when it is time."""
        recipe, step = self.recipe, self.state.step
        last = step == recipe.steps
        if last or step % recipe.evaluate_every == 0:
            self.state.averaged.eval()
            entry |= self.task.validate(self.state.averaged)
        history.add(entry)
        if last or step % recipe.checkpoint_every == 0:
            self.state.save(self.place.folder / CHECKPOINT, recipe)
            history.write(recipe.name)
        if last:
            save_released(self.task.released(self.state.averaged), step, self.place.folder)

    def _random(self) -> Generator:
        """Random numbers of this step and process; torch's own are set alike (dropout)."""
        key = (self.recipe.seed, self.state.step, self.place.rank.index)
        seed = int(np.random.SeedSequence(key).generate_state(1)[0])
        torch.manual_seed(seed)
        return Generator(self.place.device).manual_seed(seed)

    def _wrap(self) -> None:
        """Joins the gradients of all processes; anew when other parameters begin to learn."""
        if self.place.rank.count == 1:
            return
        named = self.state.network.named_parameters()
        learning = frozenset(name for name, parameter in named if parameter.requires_grad)
        if learning != self.learning:
            self.learning = learning
            self.called = DistributedDataParallel(self.losses, find_unused_parameters=True)

    def _checked(self, losses: dict[str, float]) -> Entry:
        if not np.isfinite(losses["loss"]):
            raise ConfigError(
                f"run {self.place.folder}: the loss is {losses['loss']} at step "
                f"{self.state.step}; lower `rate`, or set `precision: fp32`"
            )
        return {"step": self.state.step, **losses}


class LossModule(nn.Module):
    """A task's loss as a module: what DDP wraps, whatever the loss calls of the network."""

    def __init__(self, network: nn.Module, task: TrainingTask) -> None:
        super().__init__()
        self.network, self._task = network, task

    def forward(self, batch: Any, random: Generator) -> Losses:
        """See `TrainingTask.loss`."""
        return self._task.loss(self.network, batch, random)


def moved(batch: Any, device: torch.device) -> Any:
    """A batch with all its tensors on the device."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {name: moved(value, device) for name, value in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(moved(value, device) for value in batch)
    return batch


def _progress(shown: bool) -> Progress:  # noqa: FBT001 - private
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.5f}"),
        TimeRemainingColumn(),
        disable=not shown,
    )
