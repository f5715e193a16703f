"""What one top-down network's AP is above another's on the same people, with a bootstrap interval.

    python -m tests.bench.paired_ap --data DATA --run RUN [--over RUN] [--sets NAME ...]
        [--padding 1.1] [--quarters] --out FILE.json

A run of Graph-PCNN stands against its own first stage, any other against the run that `--over`
names. True boxes, no flip test; everybody's pose is held against the person whose box it was found
in, so that AP follows from (OKS, score) of each, and several sets can be taken as one.
"""
# ruff: noqa: TID253 - it runs networks

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from builders.evaluation.labels import Labels, labelled_set, read_labels
from builders.networks.graph_pcnn import GraphPcnn
from builders.networks.heatmap_decode import PeakFinder, peaks
from builders.networks.topdown_graph import FlipTest, TopDownGraph
from builders.release import release_form, trained_network
from builders.training.recipe import load_recipe
from builders.training.scored_poses import oks
from builders.training.settings import Folders
from builders.training.state import RECIPE
from builders.training.topdown_trunks import channel_order, first_cell_px, peak_finder
from builders.training.topdown_validation import CropForm, poses_in_true_boxes
from engines.decoding.pose_scores import scores_in_boxes
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


def compared(
    data: Path, run: Path, over: Path | None, finder: PeakFinder | None = None
) -> list[CropForm]:
    """The compared one, then the one in question, in crops as the recipe pads them.

    Args:
        data: folder of the labelled sets.
        run: in question.
        over: what it is compared with, if not its first stage.
        finder: how Graph-PCNN's first stage is read; as it ships by default.
    """
    recipe = load_recipe(run / RECIPE)
    network, _ = trained_network(recipe, Folders(data, run))
    task: Any = recipe.task
    form = release_form(recipe)
    own = CropForm(form.graph(network), (task.crop.width, task.crop.height), task.crop.padding)
    if over is not None:
        return [compared(data, over, None)[-1], own]
    if recipe.network != "graph_pcnn":
        return [own]
    stage1 = cast(nn.Module, network.stage1)
    order, first = channel_order(task.trunk), first_cell_px(task.trunk)
    finder = finder or peak_finder(task.trunk)
    cast(GraphPcnn, network).find_peaks = finder
    return [
        replace(own, graph=TopDownGraph(stage1, order, FlipTest.OFF, first, finder).eval()),
        own,
    ]


def measured(form: CropForm, sets: Sequence[Labels]) -> tuple[Array, Array]:
    """(N,) OKS with one's own person and (N,) scores, of everybody of all sets."""
    found = [one for labels in sets for one in poses_in_true_boxes(form, labels)]
    poses = np.stack([one.keypoints for one in found])
    alike = [oks(one.keypoints, one.person) for one in found]
    scores = scores_in_boxes(poses, np.ones(len(poses), np.float32))
    return np.array(alike), scores.astype(np.float64)


def main() -> None:
    """Measures both and writes the file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--over", type=Path, default=None)
    parser.add_argument("--sets", nargs="+", default=["lspet"])
    parser.add_argument("--padding", type=float, default=None, help="else the recipe's")
    parser.add_argument("--quarters", action="store_true", help="peaks as Graph-PCNN's paper has")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sets = [read_labels(labelled_set(options.data, name, "val")) for name in options.sets]
    finder = peaks if options.quarters else None
    found = compared(options.data, options.run, options.over, finder)
    forms = [replace(form, padding=options.padding or form.padding) for form in found]
    if len(forms) < 2:
        parser.error("--over: which run to compare with")
    without, with_it = (measured(form, sets) for form in forms)
    before, after = average_precision(*without), average_precision(*with_it)
    better = with_it[0] - without[0]
    width, height = forms[0].size
    where = f"{' + '.join(options.sets)}, {width}x{height}"
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
        "padding": forms[0].padding,
        "peaks": "quarters of cells" if options.quarters else "as shipped",
        "gain of AP, 95 % of draws with return": interval(without, with_it),
        "gain of mean OKS, standard error": error,
    }
    write_report("paired_ap", figures, details, options.out)


if __name__ == "__main__":
    main()
