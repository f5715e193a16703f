"""Trains what stands on a trunk that stands still: its maps of many crops are made only once.

So thousands of steps of a head take minutes on one core. Loss, rates, schedule and measures are
those of the network's own task.
"""
# ruff: noqa: TID253 - it trains

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast
from unittest.mock import patch

import numpy as np
import torch
from torch import Generator, Tensor, nn

from builders.training.crops import Crop, Crops
from builders.training.task import Losses, ParameterGroup, TrainingTask

BATCH = 64
MOST_OTHERS = 3


class OfCrops(Protocol):
    """Examples that are made of crops."""

    crops: Crops

    def of(self, crop: Crop, rng: np.random.Generator) -> dict[str, Tensor]:
        """The example of a crop."""
        ...


class CropTask(Protocol):
    """What is needed of a top-down task to keep its trunk's maps."""

    def build(self) -> nn.Module:
        """The network."""
        ...

    def examples(self) -> OfCrops:
        """Its crops."""
        ...

    def pixels(self, batch: Any) -> Tensor:
        """Crops as the trunk wants them."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Crops, and the trunk's maps of each."""

    crops: dict[str, Tensor]
    """`pixels`, `joints`, `area_px2`, `others` (at most three, then zeros) of N crops."""
    maps: list[Tensor]
    """(N, C, H, W) each, half precision."""

    def crop(self, index: int) -> Crop:
        """As it was drawn."""
        pixels, joints, area, others = (
            self.crops[name][index].numpy() for name in ("pixels", "joints", "area_px2", "others")
        )
        return Crop(pixels, joints, float(area), others[others[..., 2].max(1) > 0])


def kept_crops(task: CropTask, count: int, seed: int) -> Kept:
    """Draws crops of a task and runs the trunk on them."""
    network, crops = task.build().eval(), task.examples().crops
    trunk = cast(Any, with_shared_maps(network))
    parts: list[dict[str, Tensor]] = []
    maps: list[list[Tensor]] = []
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        drawn = [crops.draw(np.random.default_rng((seed, number))) for number in numbers]
        parts.append(_stacked(drawn))
        with torch.no_grad():
            pixels = task.pixels({"crops": parts[-1]["pixels"]})
            maps.append([each.half() for each in trunk.shared(pixels)])
    names = parts[0].keys()
    return Kept(
        {name: torch.cat([part[name] for part in parts]) for name in names},
        [torch.cat(level) for level in zip(*maps, strict=True)],
    )


def load_kept(path: Path) -> Kept:
    """What `save_kept` wrote."""
    found = torch.load(path, weights_only=True)
    return Kept(found["crops"], found["maps"])


def save_kept(kept: Kept, path: Path) -> None:
    """Writes crops and maps."""
    torch.save({"crops": kept.crops, "maps": kept.maps}, path)


def with_shared_maps(network: nn.Module) -> nn.Module:
    """The part of a network that has a trunk: `shared` makes its maps."""
    return next(module for module in network.modules() if hasattr(module, "shared"))


class OnStillTrunk(TrainingTask):
    """A top-down task whose trunk is not run: its maps are the kept ones.

    Args:
        task: whose network, loss, rates and figures are used.
        kept: of the same start weights.
    """

    def __init__(self, task: TrainingTask, kept: Kept) -> None:
        self._task, self._kept = task, kept

    def build(self) -> nn.Module:
        """See `TrainingTask`."""
        return self._task.build()

    def examples(self) -> "KeptExamples":
        """See `TrainingTask`."""
        return KeptExamples(cast(OfCrops, self._task.examples()), self._kept)

    def loss(self, network: nn.Module, batch: Any, random: Generator) -> Losses:
        """The task's, on the kept maps."""
        maps = [each.float() for each in batch.pop("maps")]
        # The trunk alone is replaced; all that is measured later runs it.
        with patch.object(with_shared_maps(network), "shared", lambda _: maps):
            return self._task.loss(network, batch, random)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """See `TrainingTask`."""
        return self._task.validate(network)

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """See `TrainingTask`; the trunk's parameters get no gradient and so stand still."""
        return self._task.groups(network, rate)


class KeptExamples:
    """Examples of kept crops, with the trunk's maps."""

    def __init__(self, examples: OfCrops, kept: Kept) -> None:
        self._examples, self._kept = examples, kept

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """One example."""
        index = int(rng.integers(len(self._kept.maps[0])))
        maps = [level[index] for level in self._kept.maps]
        return self._examples.of(self._kept.crop(index), rng) | {"maps": maps}


def _stacked(crops: Sequence[Crop]) -> dict[str, Tensor]:
    filled = [replace(crop, others=_three(crop.others)) for crop in crops]
    return {
        "pixels": torch.from_numpy(np.stack([crop.pixels for crop in filled])),
        "joints": torch.from_numpy(np.stack([crop.joints for crop in filled])),
        "area_px2": torch.tensor([crop.area_px2 for crop in filled]),
        "others": torch.from_numpy(np.stack([crop.others for crop in filled])),
    }


def _three(others: np.ndarray) -> np.ndarray:
    rest = np.zeros((MOST_OTHERS, *others.shape[1:]), np.float32)
    rest[: len(others)] = others[:MOST_OTHERS]
    return rest
