"""Views whose trunk maps are made only once, for heads on a trunk that stands still.

As `still_trunk` keeps crops of single people, this keeps whole canvases with all that is known on
them: thousands of steps of a head then take minutes on one core.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from builders.networks.mobilenet_fpn import MobileNetFpn, TrunkMaps
from builders.training.compact_start import CompactSettings
from builders.training.dataset import Views
from builders.training.kept_files import Rows, read_kept, write_kept
from builders.training.people_on_canvas import PoseLabels, pose_labels
from builders.training.pixels import movenet_pixels, pixel_tensor
from builders.training.settings import Folders
from builders.training.still_trunk import SEED

BATCH = 16
MOST_PEOPLE = 16
"""Kept of a view; more are rare, and the places of those left out teach nothing."""
DEPENDS_ON = {"sets", "augment", "pasted", "teacher"}
MAPS = tuple(field.name for field in fields(TrunkMaps))


@dataclass(frozen=True, slots=True, eq=False)
class KeptViews:
    """N views; read from disk row by row."""

    rows: Rows
    """The trunk's maps by name, `joints`, `areas`, `people` (their number), `certainty0` up."""

    def __len__(self) -> int:
        return len(self.rows["people"])

    def maps(self, index: int) -> dict[str, Tensor]:
        """Of the trunk, in half precision."""
        return {name: torch.from_numpy(np.array(self.rows[name][index])) for name in MAPS}

    def labels(self, index: int) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Joints (G, 17, 3), areas (G,), certainty of each level, as in `PoseLabels`."""
        people = int(self.rows["people"][index])
        joints, areas = (np.array(self.rows[name][index][:people]) for name in ("joints", "areas"))
        names = sorted(name for name in self.rows if name.startswith("certainty"))
        sure = (torch.from_numpy(self.rows[name][index].astype(np.float32)) for name in names)
        return torch.from_numpy(joints), torch.from_numpy(areas), tuple(sure)


def keep_views(
    trunk: MobileNetFpn, views: Views, strides: Sequence[int], count: int, folder: Path
) -> None:
    """Draws views and runs the trunk on them in bf16; the folder appears when all are there."""
    cv2.setNumThreads(1)
    trunk = trunk.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    write_kept(folder, count, BATCH, lambda numbers: _rows(trunk, views, strides, numbers))


def load_views(folder: Path) -> KeptViews:
    """What `keep_views` wrote."""
    return KeptViews(read_kept(folder))


def views_folder(settings: CompactSettings, folders: Folders, count: int) -> Path:
    """Beside the run, named after all that views and maps depend on."""
    content = settings.model_dump(mode="json", include=DEPENDS_ON)
    digest = hashlib.sha256(json.dumps([content, count, SEED], sort_keys=True).encode())
    if settings.start_weights is not None:
        digest.update((folders.data / settings.start_weights).read_bytes())
    return folders.run.parent / f"views_{digest.hexdigest()[:12]}"


def _rows(
    trunk: MobileNetFpn, views: Views, strides: Sequence[int], numbers: Sequence[int]
) -> Rows:
    drawn = [views.draw(np.random.default_rng((SEED, number))) for number in numbers]
    pixels = torch.stack([pixel_tensor(view.pixels) for view in drawn])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        maps = trunk.maps(movenet_pixels(pixels))
    rows = {name: getattr(maps, name).half().contiguous().numpy() for name in MAPS}
    labels = [_kept_labels(pose_labels(view, strides)) for view in drawn]
    return rows | {name: np.stack([each[name] for each in labels]) for name in labels[0]}


def _kept_labels(labels: PoseLabels) -> Rows:
    people = min(len(labels.areas), MOST_PEOPLE)
    joints = np.zeros((MOST_PEOPLE, *labels.joints.shape[1:]), np.float32)
    areas = np.zeros(MOST_PEOPLE, np.float32)
    joints[:people], areas[:people] = labels.joints[:people], labels.areas[:people]
    known = np.float32(len(labels.areas) <= MOST_PEOPLE)
    sure = {
        f"certainty{level}": (each.numpy() * known).astype(np.float16)
        for level, each in enumerate(labels.certainty)
    }
    return {"joints": joints, "areas": areas, "people": np.array(people), **sure}
