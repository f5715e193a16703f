"""`python -m builders.found_poses`: what a model finds in training pictures, with the true OKS.

For scoring nets. Every picture is shown as it is, unless it was squeezed, and in random views of
other size, place and light, half of them mirrored. The file is COCO's results with the key `oks`.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from builders.evaluation.labels import Record
from builders.evaluation.people import Predict, predict_with, read_rgb
from builders.evaluation.systems import EngineChoice, weak_models
from builders.training.augment import AugmentSettings, View
from builders.training.dataset import TrainingSet, Views
from builders.training.labels import LabelledPicture
from builders.training.pose_truth import true_oks
from builders.training.recipe import load_recipe
from builders.training.scored_poses import results_of
from builders.training.scoring_task import ScoringSettings
from builders.training.sets import load_sets
from builders.training.settings import DataSettings, Folders
from engines.cascade.estimator import CascadeEstimator
from engines.cascade.models import CascadeModels, find_cascade
from stream.clock import SystemClock
from stream.errors import ConfigError

VIEWS = AugmentSettings(
    canvas=512, person_px=(40.0, 400.0), max_zoom=2.0, rotation_degrees=6.0, camera=0.2
)


def main(
    model: Annotated[str, typer.Argument(metavar="MODEL|CASCADE", help="Whose poses.")],
    *,
    recipe: Annotated[Path, typer.Option(help="Of the scoring net: its sets and views.")],
    data: Annotated[Path, typer.Option(help="Folder with the labelled sets.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    threads: Annotated[int, typer.Option(min=1, help="Of the engines.")] = 1,
) -> None:
    """Finds poses in all pictures of the recipe's sets."""
    task = scoring_settings(recipe)
    sets = load_sets(DataSettings(sets=task.sets), Folders(data, out.parent))
    counts = [item.views for item in task.sets]
    models = CascadeModels(weak_models(find_cascade(model).artefacts))
    estimator = CascadeEstimator(models, EngineChoice(threads=threads).opener, clock=SystemClock())
    with closing(estimator):
        rows = list(found_poses(predict_with(estimator), sets, counts))
    out.write_text(json.dumps(rows), encoding="utf-8")
    typer.echo(f"{out}: {len(rows)} poses")


def scoring_settings(recipe: Path) -> ScoringSettings:
    """The task's section of a scoring net's recipe.

    Raises:
        ConfigError: if it is the recipe of another network, or names no sets.
    """
    task = load_recipe(recipe).task
    if not isinstance(task, ScoringSettings) or not task.sets:
        raise ConfigError(f"recipe {recipe}: expected a scoring net's, with sets of pictures")
    return task


def found_poses(
    predict: Predict, sets: Sequence[TrainingSet], views: Sequence[int]
) -> Iterator[Record]:
    """COCO results with `oks` of all poses of which the truth is known; pictures count from 0.

    Args:
        predict: the model, with its weakest people.
        sets: of training pictures.
        views: of each picture, by set.
    """
    number = 0
    for item, count in zip(sets, views, strict=True):
        source = Views((item,), (), VIEWS)
        for picture in item.pictures:
            for index in range(count):
                view = shown(source, picture, number, index)
                for record in judged(predict, view, number):
                    yield record | {"view": index}
            number += 1


def shown(source: Views, picture: LabelledPicture, number: int, index: int) -> View:
    """View `index` of picture `number`: the first is the picture itself, if it was not squeezed."""
    if index or picture.stretched:
        return source.view(picture, np.random.default_rng((number, index)))
    rgb = read_rgb(picture.path)
    return View(rgb, picture.people, np.full(rgb.shape[:2], picture.background, np.float32))


def judged(predict: Predict, view: View, number: int) -> Iterator[Record]:
    """The poses of a view, with `oks`, and `person`, the index of whom they are most like."""
    poses, scores = predict(view.pixels)
    oks, who = true_oks(poses, view)
    known = np.isfinite(oks)
    found = results_of({number: (poses[known], scores[known])})
    for record, value, person in zip(found, oks[known], who[known], strict=True):
        keypoints = [round(place, 3) for place in record["keypoints"]]
        told = {"oks": round(float(value), 4), "person": int(person)}
        yield record | {"keypoints": keypoints} | told


if __name__ == "__main__":
    typer.run(main)
