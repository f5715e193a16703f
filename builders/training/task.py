"""What a network brings to be trained: the one seam between the loop and all networks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Generator, Tensor, nn
from torch.utils.data import default_collate

from builders.training.settings import StartSettings

Losses = tuple[Tensor, dict[str, Tensor]]
"""The total that is minimised, a scalar, and its parts by name (no spaces) for the curves."""


@dataclass(frozen=True, slots=True, eq=False)
class ParameterGroup:
    """Parameters that learn alike."""

    parameters: tuple[nn.Parameter, ...]
    rate: float
    """At its highest; the schedule multiplies it by 0 to 1."""
    start: int = 0
    """Step from which they learn; their warm-up begins there."""
    weight_decay: float | None = None
    """Instead of the recipe's."""
    relative: bool = False
    """The rate is relative to the size of the weights at the start, see `RelativeAdam`."""


class Examples(Protocol):
    """What is learnt from: an endless row of examples, each made from random numbers alone.

    Drawing depends on nothing but `rng`, so that example n of a seed is the same for any number of
    loader processes, and after a resume.
    """

    def draw(self, rng: np.random.Generator) -> Any:
        """One example: tensors, or tuples, lists and dictionaries of them."""
        ...


class TrainingTask(Protocol):
    """One network with its data, losses and figures. Subclass it: the defaults are here.

    Made from the settings section of a recipe and the folders of the run; the constructor reads
    nothing, so that a recipe can be checked without its data.
    """

    def build(self) -> nn.Module:
        """The network with its start weights; torch's random numbers are seeded already."""
        ...

    def examples(self) -> Examples:
        """Reads the labels.

        Raises:
            ConfigError: naming the file and the record that is wrong.
        """
        ...

    def loss(self, network: nn.Module, batch: Any, random: Generator) -> Losses:
        """Runs the network on a batch; a teacher, if any, adds a part of its own.

        Called under autocast: cast what the network gives with `.float()` before differences.

        Args:
            network: what `build` made, in training mode.
            batch: collated examples on the network's device.
            random: seeded for this step and process, on that device.
        """
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Accuracies by `SET METRIC`, as in "lspet AP"; the network is in evaluation mode."""
        ...

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """What learns at which rate; parameters in no group stand still.

        Args:
            network: what `build` made.
            rate: the recipe's.
        """
        return [ParameterGroup(tuple(network.parameters()), rate)]

    def released(self, network: nn.Module) -> nn.Module:
        """What of a trained network is measured and shipped."""
        return network

    def collate(self, examples: list[Any]) -> Any:
        """Examples to a batch; tensors are stacked."""
        return default_collate(examples)


def started_groups(
    network: nn.Module,
    started: Iterable[nn.Parameter],
    still: Iterable[nn.Parameter],
    rates: tuple[float, float],
    settings: StartSettings,
) -> list[ParameterGroup]:
    """Groups of a network that partly came with trained weights.

    Folded batch norms leave weights of very unequal size: what is started learns at a rate relative
    to its own.

    Args:
        network: all of it.
        started: parameters with start weights.
        still: those that never learn.
        rates: of the others, and of the started ones over their size.
        settings: what size is, and how long the started ones wait.
    """
    frozen = {id(parameter) for parameter in still}
    started = [parameter for parameter in started if id(parameter) not in frozen]
    if rates[1] == 0:
        frozen |= {id(parameter) for parameter in started}
        started = []
    known = frozen | {id(parameter) for parameter in started}
    rest = tuple(p for p in network.parameters() if id(p) not in known)
    return [ParameterGroup(rest, rates[0]), *_relative(started, rates[1], settings)]


def _relative(
    started: list[nn.Parameter], rate: float, settings: StartSettings
) -> list[ParameterGroup]:
    if settings.rate_by_output:
        return [ParameterGroup(tuple(started), rate, settings.head_steps, relative=True)]
    return [
        ParameterGroup((parameter,), rate * _root_mean_square(parameter), settings.head_steps)
        for parameter in started
    ]


def _root_mean_square(parameter: nn.Parameter) -> float:
    return float(parameter.detach().square().mean().sqrt().clamp(min=1e-4))
