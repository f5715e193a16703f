"""What a scorer makes of other models' ranking, on the same poses, with a bootstrap interval.

    python -m tests.bench.bench_scoring --shared FOLDER --model bottom_up --model A+B
        [--scorer scoring_net] [--out FILE.json]

Weak people too, as AP wants them. The interval holds 95 % of the differences of AP over pictures
drawn with return, both alike.
"""

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.evaluation.coco_eval import (
    EVERY_SIZE_PX2,
    find_people_of,
    keypoint_evaluation,
    quiet,
)
from builders.evaluation.labels import Labels, labelled_set, read_labels
from builders.evaluation.people import People
from builders.evaluation.systems import EngineChoice, SystemChoice, open_system, parse_system
from builders.training.scored_poses import best_oks
from builders.training.scoring_task import rank_correlation
from engines.artefact import NO_PICTURE
from engines.engine import Engine
from engines.open_engine import open_engine
from engines.zoo_models import find_model
from stream.clock import SystemClock
from tests.bench.report import Figure, write_report

SETS = ("coco_kp", "mixed_val")
DRAWS = 400
Found = dict[int, People]


def people_of(model: str, labels: Labels) -> Found:
    """The model's people of every picture, by the default engine."""
    names, boxes = parse_system(model, None)
    with open_system(SystemChoice(names, boxes, engine=EngineChoice(threads=1)), labels) as system:
        if system.people is None:
            raise ValueError(f"{model} finds boxes")
        return dict(find_people_of(system.people, labels, SystemClock()).people)


def rescored(found: Found, scorer: Engine) -> Found:
    """The same poses with the scorer's scores."""
    return {
        image_id: (poses, np.asarray(scorer.infer({"poses": poses, "scores": scores})["rescored"]))
        for image_id, (poses, scores) in found.items()
    }


class Ranking:
    """AP of any draw of the pictures."""

    def __init__(self, labels: Labels, found: Found) -> None:
        self._evaluation: Any = keypoint_evaluation(labels, found)
        self._evaluation.params.areaRng = [list(EVERY_SIZE_PX2)]
        self._evaluation.params.areaRngLbl = ["all"]
        with quiet():
            self._evaluation.evaluate()
        self._pictures = list(self._evaluation.evalImgs)

    def __len__(self) -> int:
        return len(self._pictures)

    def average_precision(self, rows: NDArray[np.intp]) -> float:
        """Over these pictures; NaN where nobody is labelled in them."""
        evaluation = self._evaluation
        evaluation.evalImgs = [self._pictures[row] for row in rows]
        evaluation._paramsEval.imgIds = evaluation.params.imgIds = list(range(len(rows)))
        with quiet():
            evaluation.accumulate()
        known = evaluation.eval["precision"][evaluation.eval["precision"] > -1]
        return float(known.mean()) if known.size else float("nan")


def interval(before: Ranking, after: Ranking) -> tuple[float, float]:
    """Of the gain."""
    random = np.random.default_rng(0)
    gains = []
    for _ in range(DRAWS):
        rows = random.integers(0, len(before), len(before))
        gains.append(after.average_precision(rows) - before.average_precision(rows))
    low, high = np.nanquantile(gains, (0.025, 0.975))
    return float(low), float(high)


def correlation(labels: Labels, found: Found) -> float:
    """Of scores and true OKS, by rank."""
    ids = [image_id for image_id, (_, scores) in found.items() for _ in scores]
    poses = np.concatenate([poses for poses, _ in found.values()])
    scores = np.concatenate([scores for _, scores in found.values()])
    return rank_correlation(scores, best_oks(labels, ids, poses))


def compare(
    model: str, name: str, shared: Path, scorer: Engine
) -> Iterator[tuple[str, float | tuple[float, float]]]:
    """Figures of one model on one set."""
    labels = read_labels(labelled_set(shared, name, "val"))
    old = people_of(model, labels)
    new = rescored(old, scorer)
    before, after = Ranking(labels, old), Ranking(labels, new)
    every = np.arange(len(before))
    title = f"{model}, {name}/val"
    yield f"AP, {title}", before.average_precision(every)
    yield f"AP rescored, {title}", after.average_precision(every)
    yield f"gain of AP, 95 % of draws with return, {title}", interval(before, after)
    yield f"rank correlation with OKS, {title}", correlation(labels, old)
    yield f"rank correlation with OKS rescored, {title}", correlation(labels, new)


def main() -> None:
    """Measures and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--scorer", default="scoring_net")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    figures, details = [], {}
    with closing(open_engine(find_model(options.scorer), canvas=NO_PICTURE, threads=1)) as scorer:
        for model in options.model:
            for name in SETS:
                for title, value in compare(model, name, options.shared, scorer):
                    if isinstance(value, tuple):
                        details[title] = value
                    else:
                        figures.append(Figure(title, value, ""))
    write_report("scoring", figures, details, options.out)


if __name__ == "__main__":
    main()
