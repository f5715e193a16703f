"""Person by person: what Graph-PCNN's second stage and KCAM gain in OKS, with its standard error.

    python -m tests.bench.paired_oks --data DATA --start CHECKPOINT.pt --work DIR --out FILE.json

Reads the runs that `bench_topdown_parts` left in `--work`; AP of 500 people moves by more than what
either adds, the mean of paired differences does not.
"""
# ruff: noqa: TID253 - it runs networks

import argparse
import json
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from builders.evaluation.labels import Labels, labelled_set, read_labels
from builders.networks.graph_pcnn import GraphPcnn
from builders.networks.graph_pcnn_graph import GraphPcnnGraph
from builders.networks.kcam import Kcam
from builders.networks.topdown_graph import ChannelOrder, FlipTest, TopDownGraph
from builders.training.scored_poses import best_oks
from builders.training.start_weights import load_run
from builders.training.topdown_trunks import CompactTrunk, as_heatmap_network, compact_heatmaps
from builders.training.topdown_validation import CropForm, people_in_true_boxes
from tests.bench.bench_topdown_parts import CROP, figures_of
from tests.bench.report import write_report

ORDER = ChannelOrder.RGB_SYMMETRIC
PARTS = ("graph_pcnn", "kcam", "baseline")


def similarities(graph: nn.Module, labels: Labels) -> np.ndarray:
    """(N,) OKS of each labelled person with the pose found in its box; one person a picture."""
    found = people_in_true_boxes(CropForm(graph, CROP), labels)
    ids = sorted(found)
    return best_oks(labels, ids, np.stack([found[image_id][0][0] for image_id in ids]))


def gain(without: nn.Module, with_it: nn.Module, labels: Labels) -> dict[str, float]:
    """Mean OKS of both, the mean difference and its standard error."""
    first, second = (similarities(graph.eval(), labels) for graph in (without, with_it))
    difference = second - first
    return {
        "mean OKS without": float(first.mean()),
        "mean OKS with": float(second.mean()),
        "gain": float(difference.mean()),
        "standard error": float(difference.std(ddof=1) / len(difference) ** 0.5),
    }


def main() -> None:
    """Compares every seed that was run and writes the file anew."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("data", "start", "work", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    labels = read_labels(labelled_set(options.data, "lspet", "val"))
    trunk = CompactTrunk(kind="compact", width=1.0, start_weights=options.start.resolve())
    found: dict[str, dict[str, Any]] = {"graph_pcnn": {}, "kcam": {}}
    for seed in ("1", "2", "3"):
        run = {part: options.work / f"{part}_{seed}" / "checkpoint.pt" for part in PARTS}
        base = compact_heatmaps(trunk, options.data)
        if run["graph_pcnn"].exists():
            refined = GraphPcnn(as_heatmap_network(compact_heatmaps(trunk, options.data)))
            load_run(refined, run["graph_pcnn"])
            stage1 = TopDownGraph(cast(nn.Module, refined.stage1), ORDER, FlipTest.OFF)
            stage2 = GraphPcnnGraph(refined, ORDER, FlipTest.OFF)
            found["graph_pcnn"][seed] = gain(stage1, stage2, labels)
        if run["kcam"].exists() and run["baseline"].exists():
            load_run(base, run["baseline"])
            kcam = Kcam(as_heatmap_network(compact_heatmaps(trunk, options.data)))
            load_run(kcam, run["kcam"])
            without, with_it = (TopDownGraph(each, ORDER, FlipTest.OFF) for each in (base, kcam))
            found["kcam"][seed] = gain(without, with_it, labels)
    details = json.loads(options.out.read_text("utf-8"))["details"] | {"paired": found}
    write_report("topdown_parts", figures_of(details["parts"]), details, options.out)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
