import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Generator, nn

from builders.training.checkpoint import averaged_weights
from builders.training.loop import Place, train
from builders.training.recipe import OptimizerSettings
from builders.training.state import CHECKPOINT
from builders.training.task import Losses
from stream.errors import ConfigError
from tests.builders.training.tiny_task import TinyTask, tiny_recipe

REPOSITORY = Path(__file__).parents[3]

WRITTEN = ("checkpoint.pt", "released.pt", "curves.png")


def losses(folder: Path) -> list[float]:
    lines = (folder / "history.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["step"] for entry in entries] == list(range(1, len(entries) + 1))
    return [entry["loss"] for entry in entries]


def run(folder: Path, steps: int, **changed: object) -> list[float]:
    folder.mkdir(exist_ok=True)
    train(tiny_recipe(steps, **changed), TinyTask(), Place(folder))
    return losses(folder)


def test_the_same_seed_gives_the_same_losses_and_files(tmp_path: Path) -> None:
    first, second = run(tmp_path / "1", 8), run(tmp_path / "2", 8)
    assert first == second
    assert first != run(tmp_path / "3", 8, seed=1)
    assert all((tmp_path / "1" / name).stat().st_size for name in WRITTEN)
    entries = (tmp_path / "1" / "history.jsonl").read_text().splitlines()
    assert json.loads(entries[3])["tiny AP"] == 0.5


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_an_interrupted_run_has_the_loss_curve_of_a_whole_one(
    tmp_path: Path, kind: Literal["adam", "sgd"]
) -> None:
    class Interrupted(TinyTask):
        calls = 0

        def loss(self, network: nn.Module, batch: object, random: Generator) -> Losses:
            self.calls += 1
            if self.calls == 7:  # two steps after the checkpoint
                raise KeyboardInterrupt
            return super().loss(network, batch, random)

    optimizer = OptimizerSettings(kind=kind)
    whole = run(tmp_path / "whole", 12, optimizer=optimizer)
    (tmp_path / "cut").mkdir()
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe(12, optimizer=optimizer), Interrupted(), Place(tmp_path / "cut"))
    assert len(losses(tmp_path / "cut")) == 4
    assert run(tmp_path / "cut", 12, optimizer=optimizer) == whole
    first, step = averaged_weights(tmp_path / "whole" / CHECKPOINT)
    second, _ = averaged_weights(tmp_path / "cut" / CHECKPOINT)
    assert step == 12
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_examples_do_not_depend_on_the_number_of_loader_processes(tmp_path: Path) -> None:
    none = run(tmp_path / "0", 6)
    assert none == run(tmp_path / "2", 6, workers=2)


def test_a_group_learns_from_its_first_step_on(tmp_path: Path) -> None:
    class Watched(TinyTask):
        def __init__(self) -> None:
            self.late: list[float] = []

        def loss(self, network: nn.Module, batch: object, random: Generator) -> Losses:
            weight = network.get_parameter("4.weight")
            assert weight.requires_grad == (len(self.late) >= 3)
            self.late.append(weight.sum().item())
            return super().loss(network, batch, random)

    task = Watched()
    train(tiny_recipe(6), task, Place(tmp_path))
    assert len(set(task.late[:4])) == 1
    assert len(set(task.late[3:])) == 3


def test_a_checkpoint_from_before_a_setting_existed_continues_with_its_default(
    tmp_path: Path,
) -> None:
    run(tmp_path, 4)
    saved = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    del saved["recipe"]["precision"], saved["recipe"]["schedule"]["floor"]
    torch.save(saved, tmp_path / CHECKPOINT)
    assert len(run(tmp_path, 6)) == 6


def test_a_checkpoint_of_another_recipe_is_refused_by_what_differs(tmp_path: Path) -> None:
    run(tmp_path, 4)
    with pytest.raises(ConfigError, match="other settings of rate;"):
        run(tmp_path, 4, rate=0.5)
    assert len(run(tmp_path, 6)) == 6  # more steps are fine


def test_a_loss_that_is_no_number_ends_the_run_with_its_step(tmp_path: Path) -> None:
    class Diverging(TinyTask):
        def loss(self, network: nn.Module, batch: object, random: Generator) -> Losses:
            total, parts = super().loss(network, batch, random)
            return total * float("inf"), parts

    with pytest.raises(ConfigError, match="at step 1; lower `rate`"):
        train(tiny_recipe(4), Diverging(), Place(tmp_path))


def test_loss_scaling_is_refused_on_a_cpu(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fp16 needs --device cuda"):
        train(tiny_recipe(4, precision="fp16"), TinyTask(), Place(tmp_path))


TWO_PROCESSES = """
import sys, torch
from pathlib import Path
from typing import Literal
from builders.training.loop import Place, train
from builders.training.processes import device_named, joined
from tests.builders.training.tiny_task import TinyTask, tiny_recipe
here = device_named("cpu")
with joined(here) as rank:
    folder = Path(sys.argv[1])
    state = train(tiny_recipe(8, precision="fp32"), TinyTask(), Place(folder, here, rank))
    torch.save(state.network.state_dict(), folder / f"rank{rank.index}.pt")
"""


@pytest.mark.slow
def test_two_processes_learn_one_network_and_only_the_first_writes(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    for folder in ("1", "2"):
        (tmp_path / folder).mkdir()
        subprocess.run(
            [*torchrun, "--nproc-per-node", "2", script, tmp_path / folder],
            check=True,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            capture_output=True,
        )
    assert losses(tmp_path / "1") == losses(tmp_path / "2")
    ranks = [torch.load(tmp_path / "1" / f"rank{index}.pt") for index in (0, 1)]
    names = [name for name in ranks[0] if "running" not in name]
    assert all(torch.equal(ranks[0][name], ranks[1][name]) for name in names)
    alone = run(tmp_path / "alone", 8, precision="fp32")
    assert losses(tmp_path / "1") != alone  # twice the examples in each step
