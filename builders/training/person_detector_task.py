"""Trains the person detector."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from builders.networks.centre_sampling import flat
from builders.networks.person_detector import DetectorGraph, DetectorMaps, PersonDetector
from builders.networks.person_detector_loss import DetectorLabels, detector_loss
from builders.networks.yolox_nano import STRIDES, load_yolox_nano
from builders.training.augment import AugmentSettings
from builders.training.canvas_validation import Canvases, box_predictor, validate_boxes
from builders.training.dataset import Views
from builders.training.people_on_canvas import BoxLabels, box_labels
from builders.training.pixels import movenet_pixels, pixel_tensor
from builders.training.sets import load_sets
from builders.training.settings import DataSettings, Folders, StartSettings
from builders.training.start_weights import between
from builders.training.task import Losses, ParameterGroup, TrainingTask, started_groups

NMS_IOU = 0.65
"""As YOLOX evaluates."""
DETECTOR_CANVASES = ((576, 448), (576, 320), (448, 576), (320, 576), (512, 512))
"""(width, height): 4:3 and 16:9, lying and standing, and square."""
BoxExample = tuple[Tensor, BoxLabels]
"""pixels (3, S, S) uint8, and what is known."""


class DetectorSettings(DataSettings, StartSettings):
    """The recipe's `task` section."""

    start_weights: Path | None = None
    """YOLOX-nano's released graph, relative to the data folder."""
    keep_start: bool = False
    """Where nothing is labelled, what the start weights see is the target instead of nothing."""
    released_share: float = Field(gt=0, le=1, default=1.0)
    """Of the way from the start weights to the learnt ones, see `between`."""
    pasted: tuple[str, ...] = ()
    """Names of sets whose people are pasted into other pictures."""
    augment: AugmentSettings = AugmentSettings()


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
        self, settings: DetectorSettings, folders: Folders, canvases: Canvases = DETECTOR_CANVASES
    ) -> None:
        self._settings, self._folders, self._canvases = settings, folders, canvases

    def build(self) -> PersonDetector:
        """With YOLOX-nano's weights, if the recipe names its graph."""
        network = PersonDetector()
        if self._settings.start_weights is not None:
            load_yolox_nano(network.yolox, self._folders.data / self._settings.start_weights)
        return network

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """All weights at rates relative to their size if they came with start weights."""
        if self._settings.start_weights is None:
            return super().groups(network, rate)
        own, rates = tuple(network.parameters()), (rate, self._settings.trunk_rate)
        _, *relative = started_groups(network, own, (), rates, self._settings)
        return relative

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
        pixels = movenet_pixels(batch["pixels"])
        believed = self._believed(pixels) if self._settings.keep_start else None
        labels = DetectorLabels(batch["boxes"], batch["certainty"], believed)
        parts = detector_loss(_in_floats(network(pixels)), labels)
        return torch.stack(list(parts.values())).sum(), parts

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Box AP and AP50 of the sets' val split, decoded as the exported model is."""
        graph = DetectorGraph(self.released(network))
        predict = box_predictor(graph, NMS_IOU, self._canvases)
        return validate_boxes(predict, self._folders.data, self._settings.validation)

    def released(self, network: nn.Module) -> PersonDetector:
        """See `TrainingTask.released`."""
        own, share = cast(PersonDetector, network), self._settings.released_share
        return own if share == 1 else cast(PersonDetector, between(self.build(), own, share))

    @cached_property
    def _start(self) -> nn.Module:
        return self.build().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    @torch.no_grad()
    def _believed(self, pixels: Tensor) -> Tensor:
        """(B, P) scores of the start weights."""
        maps: DetectorMaps = self._start.to(pixels.device)(pixels)
        return flat(_in_floats(maps).person).sigmoid().prod(-1)


def _in_floats(maps: DetectorMaps) -> DetectorMaps:
    return DetectorMaps(
        tuple(level.float() for level in maps.person), tuple(level.float() for level in maps.edges)
    )
