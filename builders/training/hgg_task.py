"""Trains HGG, its HigherHRNet form and DEKR at the papers' sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Generator, Tensor, nn

from builders.networks.bottom_up_decode import DecodeSettings
from builders.networks.dekr import Dekr
from builders.networks.hgg import Hgg, HggMaps, HigherHgg
from builders.networks.hgg_graph import STAYS, HggGraph
from builders.networks.hgg_loss import (
    DEKR_OFFSET_WEIGHT,
    HGG_OFFSET_WEIGHT,
    HggBatch,
    hgg_loss,
)
from builders.networks.hgg_targets import (
    HggTargetSettings,
    MaskRule,
    dekr_areas,
    heat_targets,
    offset_targets,
    with_centre,
)
from builders.networks.topdown_graph import ChannelOrder, Normalise
from builders.training.augment import AugmentSettings, View, WholePicture
from builders.training.canvas_validation import pose_predictor, validate_poses
from builders.training.dataset import Views
from builders.training.labels import JOINTS, Person
from builders.training.sets import load_sets
from builders.training.settings import DataSettings, Folders
from builders.training.start_weights import load_start
from builders.training.task import Losses, TrainingTask
from engines.artefact import Thresholds

STRIDE, FINE_STRIDE = 4, 2
FINE_BACKGROUND = 0.025
WEAK_PEOPLE = Thresholds(min_score=0.01, nms_oks=0.9)
"""For AP, which wants the weak candidates too."""
CANVASES_BY_SIDE = {side: ((side, side), (side * 3 // 2, side)) for side in (512, 640)}
"""(width, height) of square and lying pictures; standing ones turned."""
NEW_PARTS = (
    "transition_cls.", "transition_reg.", "multi_level_layers", "final_layers.",
    "deconv_layers.", "transition_heatmap.", "transition_offset.", "head_heatmap.",
    "offset_feature_layers.", "offset_final_layer.",
)  # fmt: skip
"""What ImageNet's weights lack."""


class HggSettings(DataSettings):
    """The recipe's `task` section."""

    form: Literal["hgg", "higher_hgg", "dekr"] = "hgg"
    width: Literal[32, 48] = 32
    start_weights: Path | None = None
    """State of the network or of an ImageNet HRNet, relative to the data folder."""
    augment: AugmentSettings = AugmentSettings(
        canvas=512, camera=0, paste=0, whole_picture=WholePicture()
    )


class HggTask(TrainingTask):
    """See `TrainingTask`."""

    def __init__(self, settings: HggSettings, folders: Folders) -> None:
        self._settings, self._folders = settings, folders
        self._normalise = Normalise(ChannelOrder.RGB)

    def build(self) -> nn.Module:
        """The network, its trunk from a file if the recipe names one."""
        forms = {"hgg": Hgg, "higher_hgg": HigherHgg, "dekr": Dekr}
        network = forms[self._settings.form](self._settings.width)
        if self._settings.start_weights is not None:
            load_start(network, self._folders.data / self._settings.start_weights, NEW_PARTS)
        return network

    def examples(self) -> "HggExamples":
        """See `TrainingTask.examples`."""
        views = Views(load_sets(self._settings, self._folders), (), self._settings.augment)
        return HggExamples(views, self._settings.form)

    def loss(
        self,
        network: nn.Module,
        batch: Mapping[str, Tensor],
        random: Generator,
    ) -> Losses:
        """See `TrainingTask.loss`."""
        pixels = self._normalise.to(batch["canvas"].device)(batch["canvas"])
        maps = network(pixels.contiguous(memory_format=torch.channels_last))
        targets = HggBatch(**{name: value for name, value in batch.items() if name != "canvas"})
        dekr = self._settings.form == "dekr"
        weight = DEKR_OFFSET_WEIGHT if dekr else HGG_OFFSET_WEIGHT
        parts = hgg_loss(_in_fp32(maps), targets, weight)
        return torch.stack(list(parts.values())).sum(), parts

    def validate(self, network: nn.Module) -> dict[str, float]:
        """AP and AR of the exported form: one scale, no flip test."""
        graph = HggGraph(network, STAYS if self._settings.form == "dekr" else DecodeSettings())
        square, lying = CANVASES_BY_SIDE[self._settings.augment.canvas]
        predict = pose_predictor(graph, WEAK_PEOPLE, (square, lying, (lying[1], lying[0])))
        return validate_poses(predict, self._folders.data, self._settings.validation)


@dataclass(frozen=True, slots=True)
class HggExamples:
    """Views with the released targets.

    One thing differs: the smallest area of a person with a centre counts canvas pixels.
    """

    views: Views
    form: str
    """As in `HggSettings`."""

    def draw(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """One example."""
        arrays = self.targets(self.views.draw(rng))
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def targets(self, view: View) -> dict[str, np.ndarray]:
        """`canvas` (S, S, 3) uint8 and the fields of `HggBatch`."""
        people = [person for person in view.people if not person.ignored]
        joints = np.array([person.keypoints for person in people], np.float32)
        joints = joints.reshape(-1, JOINTS, 3)
        centred = with_centre(joints, [person.area_px2 for person in people])
        dekr = self.form == "dekr"
        settings = HggTargetSettings(mask=MaskRule.PER_JOINT if dekr else MaskRule.SHARED)
        cells, size, known = _at_stride(view, centred, STRIDE)
        heat = heat_targets(cells, size, known, settings)
        areas = dekr_areas(joints) if dekr else box_areas(people)
        offset, weight = offset_targets(cells, areas, size, settings.offset_radius)
        found: dict[str, np.ndarray] = {
            "canvas": view.pixels,
            "heat": heat.heat,
            "heat_weight": heat.weight,
            "offset": offset,
            "offset_weight": weight,
        }
        if self.form == "higher_hgg":
            fine_settings = HggTargetSettings(background=FINE_BACKGROUND)
            fine = heat_targets(*_at_stride(view, joints, FINE_STRIDE), fine_settings)
            found |= {"fine_heat": fine.heat, "fine_weight": fine.weight}
        return found


def box_areas(people: list[Person]) -> np.ndarray:
    """(P,) HGG's scale: the box's area in canvas pixels squared, at least 1."""
    areas = [max(1.0, float(person.box[2] * person.box[3])) for person in people]
    return np.array(areas, np.float32)


def _at_stride(
    view: View, joints: np.ndarray, stride: int
) -> tuple[np.ndarray, tuple[int, int], np.ndarray]:
    """Joints in cells, (width, height) of the maps, and what is known (height, width)."""
    side = view.pixels.shape[0] // stride
    cells = joints.copy()
    cells[..., :2] /= stride
    known = cv2.resize(view.background, (side, side), interpolation=cv2.INTER_AREA)
    for person in view.people:
        if person.ignored:
            x, y, w, h = (float(value) / stride for value in person.box)
            rows = slice(max(0, int(y)), max(0, int(np.ceil(y + h))))
            known[rows, max(0, int(x)) : max(0, int(np.ceil(x + w)))] = 0
    return cells, (side, side), known


def _in_fp32(maps: Any) -> HggMaps:
    fine = None if maps.fine_heat is None else maps.fine_heat.float()
    return HggMaps(tuple(heat.float() for heat in maps.heat), maps.offset.float(), fine)
