"""One process or several: `torchrun` starts one per device, gradients are averaged (DDP)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from stream.errors import ConfigError

PATIENCE = timedelta(hours=2)
"""How long processes wait for another that measures or saves."""


@dataclass(frozen=True, slots=True)
class Rank:
    """Which process this is."""

    index: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether it writes files, measures and shows progress."""
        return self.index == 0

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """The others enter when the leader is through."""
        if self.count > 1 and not self.leads:
            distributed.barrier()
        yield
        if self.count > 1 and self.leads:
            distributed.barrier()


ALONE = Rank()


def device_named(name: str) -> torch.device:
    """The device of this process.

    Args:
        name: `cpu`, `cuda` or `cuda:N`; under torchrun `cuda` is the process's own.

    Raises:
        ConfigError: if torch knows no such device here.
    """
    local = os.environ.get("LOCAL_RANK")
    full = f"{name}:{local}" if name == "cuda" and local is not None else name
    try:
        device = torch.device(full)
    except RuntimeError as error:
        raise ConfigError(f"device {name}: expected cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: torch finds no CUDA GPU here; use --device cpu")
    return device


@contextmanager
def joined(device: torch.device) -> Iterator[Rank]:
    """Joins the group that torchrun describes in the environment; without it this one is alone."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Rank(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()
