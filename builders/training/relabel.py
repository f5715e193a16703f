"""`python -m builders.training.relabel`: teacher joints of a model that looks several times.

A top-down model sees each labelled person in crops of several paddings and in their mirror images;
where the looks agree, the joint is sure. On `coco_kp/val` and `mixed_val` in true boxes the looks
of `graph_pcnn` together have AP .568 and .707 where one alone has .533 and .669 (fp32), so that a
network can learn from its own better self ("data distillation", Radosavovic et al., CVPR 2018).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from builders.evaluation.flip_test import mirrored_boxes, mirrored_people, mirrored_rgb
from builders.evaluation.people import Floats, Rgb, read_rgb
from builders.evaluation.top_down import CropModel
from builders.training.labels import is_held_out
from engines.open_engine import EngineName, open_engine
from engines.zoo_models import find_model
from stream.errors import ConfigError

PADDINGS = (1.0, 1.12, 1.25, 1.4)
"""Of the boxes."""
AGREEMENT = 0.05
"""Share of the longer side of the box within which two looks mean the same place."""
LEAST_SIDE_PX = 40.0
"""Of the longer side of a box; smaller people are not looked at."""
LEAST_WEIGHT = 1e-4

Teacher = Mapping[int, NDArray[np.float32]]
"""(17, 3) x, y in pixels of the picture and sureness, by the id of the annotation."""


def agreed(looks: Floats, sides_px: Floats) -> Floats:
    """(N, J, 3): where most looks see a joint, and how sure that is, in [0, 1].

    Every look votes for the places of all others, the more the surer and the nearer it is; the
    place with most votes wins and becomes the mean of those who agree.

    Args:
        looks: (M, N, J, 3) x, y, confidence of M looks at N people.
        sides_px: (N,) longer sides of their boxes.
    """
    places, weights = looks[..., :2], looks[..., 2] ** 2 + LEAST_WEIGHT
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)  # (M, M, N, J)
    near = np.exp(-((apart / (AGREEMENT * sides_px[:, None])) ** 2) / 2)
    votes = (weights[None] * near).sum(1)  # (M, N, J)
    best = votes.argmax(0)[None, None]
    share = weights * np.take_along_axis(near, best, 0)[0]
    mean = (places * share[..., None]).sum(0) / share.sum(0)[..., None]
    sure = np.sqrt(votes.max(0) / len(looks)).clip(0, 1)
    return np.concatenate([mean, sure[..., None]], -1).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Shows a picture's people to a model several times.

    Args:
        models: the same model with crops of different padding.
    """

    models: tuple[CropModel, ...]

    def __call__(self, rgb: Rgb, boxes_px: Floats) -> Floats:
        """(M, N, 17, 3) of boxes (N, 4) x, y, w, h: each padding, plain and mirrored."""
        width, mirror = rgb.shape[1], mirrored_rgb(rgb)
        scores = np.ones(len(boxes_px), np.float32)
        turned, _ = mirrored_boxes((boxes_px, scores), width)
        looks = []
        for model in self.models:
            looks.append(model.poses(rgb, boxes_px))
            seen = model.poses(mirror, turned)
            looks.append(mirrored_people((seen, scores), width, model.skeleton)[0])
        return np.stack(looks)


def taught(content: Mapping[str, Any], pictures: Path, looks: Looks) -> dict[int, list[Any]]:
    """Joints of everybody large enough, by the id of the annotation.

    Args:
        content: COCO's labels.
        pictures: their folder.
        looks: of the teacher.
    """
    found: dict[int, list[Any]] = {}
    for picture, people in _large_people(content):
        boxes = np.array([person["bbox"] for person in people], np.float32)
        poses = agreed(looks(read_rgb(pictures / picture), boxes), boxes[:, 2:].max(1))
        rounded = np.round(poses.astype(np.float64), 2).tolist()
        found |= {person["id"]: pose for person, pose in zip(people, rounded, strict=True)}
    return found


def _large_people(content: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for record in content["images"]:
        people = [
            person
            for person in content["annotations"]
            if person["image_id"] == record["id"]
            and not person.get("iscrowd")
            and max(person["bbox"][2:]) >= LEAST_SIDE_PX
        ]
        if people:
            yield record["file_name"], people


def read_taught(path: Path) -> Teacher:
    """What `main` wrote.

    Raises:
        ConfigError: if the file cannot be read.
    """
    try:
        joints = json.loads(path.read_text(encoding="utf-8"))["keypoints"]
        return {int(who): np.array(pose, np.float32).reshape(17, 3) for who, pose in joints.items()}
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"teacher joints {path}: cannot be read: {error}") from error


def crop_models(name: str, paddings: Sequence[float]) -> tuple[CropModel, ...]:
    """A top-down model of the zoo or a folder, once for each padding, on one engine.

    Raises:
        ConfigError: if it is no top-down model.
    """
    artefact = find_model(name)
    manifest = artefact.manifest
    if manifest.stage != "top_down":
        raise ConfigError(f"teacher {name}: expected a top-down model, got stage {manifest.stage}")
    engine = open_engine(artefact, engine=EngineName.AUTO, canvas=manifest.canvases[0], threads=1)
    padded = [manifest.model_copy(update={"crop_padding": padding}) for padding in paddings]
    return tuple(CropModel(each, engine) for each in padded)


def main(
    annotations: Annotated[Path, typer.Option(help="COCO labels with boxes, of a train split.")],
    pictures: Annotated[Path, typer.Option(help="Folder of the pictures.")],
    out: Annotated[Path, typer.Option(help="JSON to write; recipes name it as `taught`.")],
    *,
    model: Annotated[str, typer.Option(help="Top-down model that teaches.")] = "graph_pcnn",
    tier: Annotated[list[str] | None, typer.Option(help="Licence tiers to take, else all.")] = None,
) -> None:
    """Writes teacher joints of a set."""
    if is_held_out(Path(annotations.name)):
        raise ConfigError(f"{annotations}: a val split must not be trained on")
    content = json.loads(annotations.read_text(encoding="utf-8"))
    if tier:
        content["images"] = [each for each in content["images"] if each["licence_tier"] in tier]
    joints = taught(content, pictures, Looks(crop_models(model, PADDINGS)))
    told = {"teacher": model, "paddings": PADDINGS, "annotations": annotations.name}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(told | {"keypoints": joints}), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
