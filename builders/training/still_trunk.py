"""Trains what stands on a trunk that stands still: its maps of many crops are made only once.

So thousands of steps of a head take minutes on one core. Loss, rates, schedule and measures are
those of the network's own task. Runs that differ in nothing that maps depend on share them.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from builders.training.crops import Crop, Crops
from builders.training.kept_files import Rows, read_kept, write_kept
from builders.training.settings import Folders, Frozen
from builders.training.task import Losses, ParameterGroup, TrainingTask
from builders.training.topdown_trunks import placed

BATCH = 32
MOST_OTHERS = 3
SEED = 11
"""Of the crops: not the recipe's, so that runs of other seeds learn from the same."""
DEPENDS_ON = {"trunk", "crop", "sets", "teacher", "neighbour_share"}
"""Settings that other crops or maps would come of."""


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
    """Crops, and the trunk's maps of each; read from disk row by row."""

    crops: dict[str, NDArray[Any]]
    """`pixels`, `joints`, `area_px2`, `others` (at most three, then zeros) of N crops."""
    maps: list[NDArray[np.float16]]
    """(N, C, H, W) each."""

    def crop(self, index: int) -> Crop:
        """As it was drawn."""
        pixels, joints, area, others = (
            np.array(self.crops[name][index]) for name in ("pixels", "joints", "area_px2", "others")
        )
        return Crop(pixels, joints, float(area), others[others[..., 2].max(1) > 0])


@dataclass(frozen=True, slots=True)
class KeptOrder:
    """What is to be kept."""

    count: int
    """Crops."""
    half: bool
    """Whether the trunk runs in bf16, as it would if it learnt."""


def keep_crops(task: CropTask, order: KeptOrder, folder: Path) -> None:
    """Draws crops of a task and runs the trunk on them; the folder appears when all are there."""
    network, crops = task.build().eval(), task.examples().crops
    trunk: Any = with_shared_maps(network.to(memory_format=torch.channels_last))  # type: ignore[call-overload]

    def rows_of(numbers: Sequence[int]) -> Rows:
        rows = _stacked([crops.draw(np.random.default_rng((SEED, number))) for number in numbers])
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=order.half):
            pixels = task.pixels({"crops": torch.from_numpy(rows["pixels"])})
            maps = trunk.shared(pixels.contiguous(memory_format=torch.channels_last))
        return rows | {f"map{level}": each.half().numpy() for level, each in enumerate(maps)}

    write_kept(folder, order.count, BATCH, rows_of)


def load_kept(folder: Path) -> Kept:
    """What `keep_crops` wrote."""
    files = read_kept(folder)
    maps = [file for name, file in files.items() if name.startswith("map")]
    return Kept({name: file for name, file in files.items() if not name.startswith("map")}, maps)


def kept_folder(settings: Frozen, folders: Folders, order: KeptOrder) -> Path:
    """Beside the run, named after all that crops and maps depend on.

    Of settings left at their defaults it knows nothing, so that new ones leave old names alone.
    """
    content = settings.model_dump(mode="json", include=DEPENDS_ON, exclude_defaults=True)
    content |= asdict(order) | {"seed": SEED}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    start = placed(cast(Any, settings).trunk, folders).start_weights
    digest.update((folders.data / start).read_bytes())
    gone_on_with = getattr(settings, "start_run", None)
    if gone_on_with is not None:  # its trunk makes the maps
        digest.update((folders.run.resolve().parent / gone_on_with).read_bytes())
    return folders.run.parent / f"kept_{digest.hexdigest()[:12]}"


def with_shared_maps(network: nn.Module) -> nn.Module:
    """The part of a network that has a trunk: `shared` makes its maps."""
    return next(module for module in network.modules() if hasattr(module, "shared"))


class OnStillTrunk(TrainingTask):
    """A top-down task whose trunk is not run: its maps are kept ones, of crops drawn once.

    Args:
        task: whose network, loss, rates and figures are used.
        settings: of the task; its trunk has start weights.
        folders: of the run.
        order: what is kept.
    """

    def __init__(
        self, task: TrainingTask, settings: Frozen, folders: Folders, order: KeptOrder
    ) -> None:
        self._task, self._settings, self._folders = task, settings, folders
        self._order = order

    def build(self) -> nn.Module:
        """See `TrainingTask`."""
        return self._task.build()

    def examples(self) -> "KeptExamples":
        """See `TrainingTask`; makes the maps if they are not there."""
        folder = kept_folder(self._settings, self._folders, self._order)
        if not folder.is_dir():
            keep_crops(cast(CropTask, self._task), self._order, folder)
        return KeptExamples(cast(OfCrops, self._task.examples()), load_kept(folder))

    def loss(self, network: nn.Module, batch: Any, random: Generator) -> Losses:
        """The task's, on the kept maps."""
        last = torch.channels_last  # twice as fast on a CPU, as are the network's weights
        maps = [each.float().contiguous(memory_format=last) for each in batch.pop("maps")]
        with _standing_in(with_shared_maps(network), maps):
            return self._task.loss(network, batch, random)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """See `TrainingTask`; here the trunk is run."""
        return self._task.validate(network)

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """See `TrainingTask`; the trunk's parameters get no gradient and so stand still."""
        return self._task.groups(network, rate)

    def released(self, network: nn.Module) -> nn.Module:
        """See `TrainingTask`."""
        return self._task.released(network)


class KeptExamples:
    """Examples of kept crops, with the trunk's maps."""

    def __init__(self, examples: OfCrops, kept: Kept) -> None:
        self._examples, self._kept = examples, kept

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """One example."""
        index = int(rng.integers(len(self._kept.maps[0])))
        maps = [torch.from_numpy(np.array(level[index])) for level in self._kept.maps]
        return self._examples.of(self._kept.crop(index), rng) | {"maps": maps}


@contextmanager
def _standing_in(trunk: nn.Module, maps: list[Tensor]) -> Iterator[None]:
    """Replaces what makes the maps for the time of a loss: all else of the network is run."""
    object.__setattr__(trunk, "shared", lambda _: maps)
    try:
        yield
    finally:
        object.__delattr__(trunk, "shared")


def _stacked(crops: Sequence[Crop]) -> dict[str, NDArray[Any]]:
    filled = [replace(crop, others=_three(crop.others)) for crop in crops]
    return {
        "pixels": np.stack([crop.pixels for crop in filled]),
        "joints": np.stack([crop.joints for crop in filled]),
        "area_px2": np.array([crop.area_px2 for crop in filled]),
        "others": np.stack([crop.others for crop in filled]),
    }


def _three(others: np.ndarray) -> np.ndarray:
    rest = np.zeros((MOST_OTHERS, *others.shape[1:]), np.float32)
    rest[: len(others)] = others[:MOST_OTHERS]
    return rest
