"""What one top-down network's AP is above another's on the same people, with a bootstrap interval.

    python -m tests.bench.paired_ap --data DATA --run RUN [--over RUN] [--set NAME] --out FILE.json

A run of Graph-PCNN stands against its own first stage, any other against the run that `--over`
names. True boxes, no flip test, one labelled person a picture (`lspet/val`): then a pose can only
be right about its own person, and AP follows from (OKS, score) of each.
"""
# ruff: noqa: TID253 - it runs networks

import argparse
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from builders.evaluation.labels import Labels, labelled_set, read_labels
from builders.networks.topdown_graph import FlipTest, TopDownGraph
from builders.release import release_form, trained_network
from builders.training.recipe import load_recipe
from builders.training.scored_poses import best_oks
from builders.training.settings import Folders
from builders.training.topdown_trunks import channel_order, first_cell_px
from builders.training.topdown_validation import CropForm, people_in_true_boxes
from tests.bench.report import Figure, write_report

Array = NDArray[np.float64]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
DRAWS = 1000


def average_precision(oks: Array, scores: Array) -> float:
    """COCO's AP where everybody has one pose of their own: (N,) each."""
    right = oks[np.argsort(-scores, kind="stable")] >= THRESHOLDS[:, None]
    found = right.cumsum(1)
    precision = found / np.arange(1, len(oks) + 1)
    best_after = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    levels = []
    for recall, best in zip(found / len(oks), best_after, strict=True):
        places = np.searchsorted(recall, RECALLS, side="left")
        levels.append(np.append(best, 0.0)[places].mean())
    return float(np.mean(levels))


def interval(
    without: tuple[Array, Array], with_it: tuple[Array, Array], draws: int = DRAWS
) -> tuple[float, float]:
    """Where 95 % of the differences of AP lie over people drawn with return, both alike."""
    random = np.random.default_rng(0)
    count = len(without[0])
    gains = []
    for _ in range(draws):
        rows = random.integers(0, count, count)
        first, second = ((oks[rows], scores[rows]) for oks, scores in (without, with_it))
        gains.append(average_precision(*second) - average_precision(*first))
    low, high = np.quantile(gains, (0.025, 0.975))
    return float(low), float(high)


def graphs_of(data: Path, run: Path, over: Path | None) -> tuple[list[nn.Module], tuple[int, int]]:
    """The compared one, then the one in question; and the size of their crops."""
    recipe = load_recipe(run / "recipe.yaml")
    network, _ = trained_network(recipe, Folders(data, run))
    task: Any = recipe.task
    own, size = release_form(recipe).graph(network), (task.crop.width, task.crop.height)
    if over is not None:
        return [graphs_of(data, over, None)[0][-1], own], size
    if recipe.network != "graph_pcnn":
        return [own], size
    stage1 = cast(nn.Module, network.stage1)
    order, first = channel_order(task.trunk), first_cell_px(task.trunk)
    return [TopDownGraph(stage1, order, FlipTest.OFF, first).eval(), own], size


def measured(graph: nn.Module, size: tuple[int, int], labels: Labels) -> tuple[Array, Array]:
    """(N,) OKS and (N,) scores by picture."""
    found = people_in_true_boxes(CropForm(graph, size), labels)
    ids = sorted(found)
    if any(len(found[image_id][1]) != 1 for image_id in ids):
        raise ValueError("expected one labelled person a picture")
    oks = best_oks(labels, ids, np.stack([found[image_id][0][0] for image_id in ids]))
    scores = np.array([found[image_id][1][0] for image_id in ids], np.float64)
    return np.asarray(oks, np.float64), scores


def main() -> None:
    """Measures both and writes the file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--over", type=Path, default=None)
    parser.add_argument("--set", default="lspet")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    labels = read_labels(labelled_set(options.data, options.set, "val"))
    graphs, size = graphs_of(options.data, options.run, options.over)
    if len(graphs) < 2:
        parser.error("--over: which run to compare with")
    without, with_it = (measured(graph, size, labels) for graph in graphs)
    before, after = average_precision(*without), average_precision(*with_it)
    better = with_it[0] - without[0]
    where = f"{options.set}/val, {size[0]}x{size[1]}"
    figures = [
        Figure(f"AP without, {where}", before, "AP"),
        Figure(f"AP with, {where}", after, "AP"),
        Figure(f"Gain of AP, {where}", after - before, "AP"),
        Figure(f"Gain of mean OKS, {where}", float(better.mean()), "OKS"),
    ]
    error = float(better.std(ddof=1) / len(better) ** 0.5)
    details = {
        "run": options.run.name,
        "over": options.over.name if options.over else "its first stage",
        "people": len(better),
        "gain of AP, 95 % of draws with return": interval(without, with_it),
        "gain of mean OKS, standard error": error,
    }
    write_report("paired_ap", figures, details, options.out)


if __name__ == "__main__":
    main()
