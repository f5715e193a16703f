"""From a recipe to training sets on disk."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2

from builders.training.dataset import TrainingSet
from builders.training.labels import LabelledPicture, load_clip, load_coco
from builders.training.relabel import Teacher, read_taught
from builders.training.settings import DataSettings, Folders, SetRecipe
from stream.clock import SystemClock
from stream.ingest.open_source import open_source
from stream.picture import to_rgb


def load_sets(settings: DataSettings, folders: Folders) -> list[TrainingSet]:
    """All sets of a task; frames of clips are decoded once into the run's folder.

    Raises:
        ConfigError: naming the file and record that is wrong.
    """
    sets = []
    for item in settings.sets:
        pictures = _load(item, settings, folders)
        if item.kind == "clip":
            pictures = extract_frames(pictures, folders.run / "frames")
        sets.append(TrainingSet(item.name, item.share, pictures))
    return sets


def _load(item: SetRecipe, settings: DataSettings, folders: Folders) -> list[LabelledPicture]:
    annotations, pictures = folders.data / item.annotations, folders.data / item.pictures
    if item.kind == "clip":
        return load_clip(annotations, pictures, settings.teacher)
    return load_coco(
        annotations,
        pictures,
        background=item.background,
        limits=settings.teacher,
        tiers=frozenset(item.tiers),
        taught=_taught(item, folders.run),
    )


def _taught(item: SetRecipe, run: Path) -> Teacher | None:
    return None if item.taught is None else read_taught(run.resolve().parent / item.taught)


def extract_frames(pictures: Sequence[LabelledPicture], folder: Path) -> list[LabelledPicture]:
    """Writes the labelled frames of clips as PNG files and points the labels at them."""
    folder.mkdir(parents=True, exist_ok=True)
    by_clip: dict[Path, dict[int, LabelledPicture]] = defaultdict(dict)
    for label in pictures:
        by_clip[label.path][label.frame or 0] = label
    extracted = []
    for clip, labels in by_clip.items():
        for index, label in labels.items():
            target = folder / f"{clip.stem}_{index:06d}.png"
            extracted.append(replace(label, path=target, frame=None))
        missing = {
            index for index in labels if not (folder / f"{clip.stem}_{index:06d}.png").exists()
        }
        if missing:
            _write_frames(clip, missing, folder)
    return extracted


def _write_frames(clip: Path, indices: set[int], folder: Path) -> None:
    with closing(open_source(str(clip), stream=clip.stem, clock=SystemClock())) as source:
        for index, frame in enumerate(source.frames()):
            if index in indices:
                target = folder / f"{clip.stem}_{index:06d}.png"
                cv2.imwrite(str(target), to_rgb(frame.picture)[:, :, ::-1])
