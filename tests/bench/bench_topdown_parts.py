"""Trains the parts that the papers add to a top-down network, briefly, and measures what each adds.

    python -m tests.bench.bench_topdown_parts --data DATA --start RUN/checkpoint.pt --work DIR
        [--parts PART ...] [--seeds N ...] [--out FILE.json]

All stand on the trunk of one heatmap run (`--start`), which stands still; lspet/val, true boxes, no
flip test. A file that is there already is brought up to date part by part and seed by seed.

- baseline: the heatmap head trained on.
- kcam: the same with KCAM's context, for as many steps.
- graph_pcnn: both stages for as many steps; its first stage is the comparison.
- posefix: poses with synthetic errors before and after, by kind of error.
- scoring_net: rank of poses by predicted OKS against rank by heat.
"""
# ruff: noqa: TID253 - it trains

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import yaml

from builders.evaluation.labels import labelled_set, read_labels
from builders.networks.topdown_graph import FlipTest, TopDownGraph
from builders.training.loop import Place, train
from builders.training.recipe import Recipe, make_task, parse_recipe
from builders.training.scored_poses import results_of
from builders.training.settings import Folders
from builders.training.task import TrainingTask
from builders.training.topdown_trunks import CompactTrunk, channel_order, compact_heatmaps
from builders.training.topdown_validation import CropForm, people_in_true_boxes
from stream.clock import SystemClock
from tests.bench.report import Figure, write_report
from tests.command_line import REPOSITORY

RECIPES = REPOSITORY / "configs" / "train"
CROPS = 12_800
SIZES = {"baseline": 600, "kcam": 600, "graph_pcnn": 800, "posefix": 1200, "scoring_net": 265}
"""Steps; of the scoring net the paper's 20 epochs: more of them only fit the training poses."""
RECIPE_OF = {
    "baseline": "topdown_lightning",
    "kcam": "kcam_lightning",
    "graph_pcnn": "graph_pcnn_lightning",
    "posefix": "posefix_lightning",
}
SHORTER: Mapping[str, Any] = {
    "rate": 2e-3,
    "batch": 32,
    "precision": "fp32",
    "workers": 0,
    "optimizer": {"kind": "adam", "clip_norm": None},
}
TASK: Mapping[str, Mapping[str, Any]] = {
    "baseline": {"trunk_rate": 2e-3, "heat_weight": 5000.0},
    "kcam": {"trunk_rate": 2e-3, "heat_weight": 5000.0},
    "graph_pcnn": {"trunk_rate": 2e-3, "points": 18},
    "posefix": {"trunk_rate": 2e-3},
}
CROP = (96, 128)
FIGURES = ("lspet ", "stage1 ", "intermediate ", "heat ", "rescored ")
"""How the names of accuracies begin; the others are losses."""
PACKAGES = ("torch", "numpy", "pycocotools")


@dataclass(frozen=True, slots=True)
class Work:
    """Where the runs read and write."""

    data: Path
    start: Path
    """Checkpoint of a heatmap run."""
    folder: Path


def run(part: str, seed: int, work: Work) -> dict[str, Any]:
    """Trains a part from the start and measures it."""
    if part == "scoring_net":
        return run_scoring(seed, work)
    content = yaml.safe_load((RECIPES / f"{RECIPE_OF[part]}.yaml").read_text("utf-8"))
    steps = SIZES[part]
    content |= {**SHORTER, "seed": seed, "steps": steps, "evaluate_every": steps}
    content["checkpoint_every"] = steps
    content["task"] |= {**TASK[part], "validation": ["lspet"], "kept_crops": CROPS}
    content["task"]["trunk"]["start_weights"] = str(work.start.resolve())
    recipe = parse_recipe(content, part)
    folder = new_folder(part, seed, work)
    return trained(recipe, make_task(recipe, Folders(work.data, folder)), folder)


def new_folder(part: str, seed: int, work: Work) -> Path:
    """Of one run."""
    folder = work.folder / f"{part}_{seed}"
    folder.mkdir(parents=True)
    return folder


def trained(recipe: Recipe, task: TrainingTask, folder: Path) -> dict[str, Any]:
    """Steps, minutes and the figures of the last step."""
    clock = SystemClock()
    began = clock.monotonic()
    train(recipe, task, Place(folder))
    minutes = (clock.monotonic() - began) / 60
    last = json.loads((folder / "history.jsonl").read_text("utf-8").splitlines()[-1])
    figures = {name: value for name, value in last.items() if name.startswith(FIGURES)}
    return {"steps": recipe.steps, "minutes": round(minutes, 1), "figures": figures}


def run_scoring(seed: int, work: Work) -> dict[str, Any]:
    """Trains the scoring net on the start's poses of lspet/train."""
    content = yaml.safe_load((RECIPES / "scoring_net.yaml").read_text("utf-8"))
    steps = SIZES["scoring_net"]
    content |= {"seed": seed, "steps": steps, "evaluate_every": steps, "checkpoint_every": steps}
    content |= {"batch": 512, "workers": 0}
    content["task"] = {"train": poses_of(work, "train"), "validation": poses_of(work, "val")}
    recipe = parse_recipe(content, "scoring_net")
    folder = new_folder("scoring_net", seed, work)
    return trained(recipe, make_task(recipe, Folders(work.data, folder)), folder)


def poses_of(work: Work, split: str) -> dict[str, str]:
    """The start's poses in the true boxes of lspet, written once; and the labels."""
    labelled = labelled_set(work.data, "lspet", split)
    path = work.folder / f"poses_{split}.json"
    if not path.exists():
        trunk = CompactTrunk(kind="compact", width=1.0, start_weights=work.start.resolve())
        network = compact_heatmaps(trunk, work.data).eval()
        graph = TopDownGraph(network, channel_order(trunk), FlipTest.OFF)
        found = people_in_true_boxes(CropForm(graph, CROP), read_labels(labelled))
        path.write_text(json.dumps(results_of(found)), "utf-8")
    return {"poses": str(path.resolve()), "annotations": str(labelled.annotations.resolve())}


def figures_of(parts: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    """What each part adds: means over the seeds that were run."""
    found = []
    for part, runs in sorted(parts.items()):
        names = next(iter(runs.values()))["figures"]
        for name in names:
            values = [each["figures"][name] for each in runs.values()]
            found.append(Figure(f"{part}: {name}, {len(values)} seeds", mean(values), "share"))
    return found


def main() -> None:
    """Runs what was asked for and brings the file up to date."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=sorted(SIZES), default=list(SIZES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = Work(options.data, options.start, options.work)
    parts: dict[str, dict[str, Any]] = {}
    if options.out and options.out.is_file():
        parts = json.loads(options.out.read_text("utf-8"))["details"]["parts"]
    for seed in options.seeds:
        for part in options.parts:
            parts.setdefault(part, {})[str(seed)] = run(part, seed, work)
            details = {
                "parts": parts,
                "crops": CROPS,
                "start": "configs/train/topdown_lightning.yaml",
                "versions": {package: version(package) for package in PACKAGES},
            }
            write_report("topdown_parts", figures_of(parts), details, options.out)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
