"""Trains the person detector."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Generator, Tensor, nn

from builders.networks.compact_pyramid import STRIDES
from builders.networks.person_detector import DetectorGraph, DetectorMaps, PersonDetector
from builders.networks.person_detector_loss import detector_loss
from builders.training.canvas_validation import (
    COMPACT_CANVASES,
    Canvases,
    box_predictor,
    validate_boxes,
)
from builders.training.compact_start import CompactSettings, compact_groups, start_pyramid
from builders.training.dataset import Views
from builders.training.people_on_canvas import BoxLabels, box_labels
from builders.training.pixels import movenet_pixels, pixel_tensor
from builders.training.sets import load_sets
from builders.training.settings import Folders
from builders.training.task import Losses, ParameterGroup, TrainingTask

NMS_IOU = 0.6
BoxExample = tuple[Tensor, BoxLabels]
"""pixels (3, S, S) uint8, and what is known."""


class BoxExamples:
    """Views with the boxes on them.

    Args:
        views: of the training sets.
    """

    def __init__(self, views: Views) -> None:
        self._views = views

    def draw(self, rng: np.random.Generator) -> BoxExample:
        """One example."""
        view = self._views.draw(rng)
        return pixel_tensor(view.pixels), box_labels(view, STRIDES)


class PersonDetectorTask(TrainingTask):
    """See `TrainingTask`.

    Args:
        settings: of the recipe.
        folders: of the run.
        canvases: (width, height) to validate on.
    """

    def __init__(
        self, settings: CompactSettings, folders: Folders, canvases: Canvases = COMPACT_CANVASES
    ) -> None:
        self._settings, self._folders, self._canvases = settings, folders, canvases

    def build(self) -> PersonDetector:
        """Trunk and first maps from MoveNet MultiPose, if the recipe names its graph."""
        network = PersonDetector(self._settings.channels, self._settings.convolutions)
        start_pyramid(network.pyramid, self._settings, self._folders)
        return network

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """See `compact_groups`."""
        own = cast(PersonDetector, network)
        return compact_groups(own, own.pyramid, rate, self._settings)

    def examples(self) -> BoxExamples:
        """See `TrainingTask.examples`."""
        sets = load_sets(self._settings, self._folders)
        return BoxExamples(Views(sets, self._settings.pasted, self._settings.augment))

    def collate(self, examples: list[BoxExample]) -> dict[str, Any]:
        """Pictures and certainties are stacked, boxes stay in a list."""
        levels = zip(*(label.certainty for _, label in examples), strict=True)
        return {
            "pixels": torch.stack([pixels for pixels, _ in examples]),
            "boxes": [label.boxes for _, label in examples],
            "certainty": [torch.stack(level) for level in levels],
        }

    def loss(
        self,
        network: nn.Module,
        batch: Mapping[str, Any],
        random: Generator,
    ) -> Losses:
        """See `TrainingTask.loss`."""
        maps: DetectorMaps = network(movenet_pixels(batch["pixels"]))
        floats = DetectorMaps(
            tuple(level.float() for level in maps.person),
            tuple(level.float() for level in maps.edges),
        )
        parts = detector_loss(floats, batch["boxes"], batch["certainty"])
        return torch.stack(list(parts.values())).sum(), parts

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Box AP and AP50 of the sets' val split, decoded as the exported model is."""
        graph = DetectorGraph(cast(PersonDetector, network))
        predict = box_predictor(graph, NMS_IOU, self._canvases)
        return validate_boxes(predict, self._folders.data, self._settings.validation)
