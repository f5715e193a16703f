"""The folder of a model: `model.onnx`, `manifest.json`, `MODEL_CARD.md`."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stream.errors import ArtefactError

MANIFEST_NAME = "manifest.json"
MODEL_NAME = "model.onnx"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorSpec(_Frozen):
    """One input or output of a graph; None in a shape is a dynamic dimension."""

    name: str
    dtype: Literal["uint8", "float32", "int64"]
    shape: tuple[int | None, ...]


CANVAS_STEP = 32
"""The coarsest map of a network has one cell for so many canvas pixels."""

CANVAS_INPUTS = (TensorSpec(name="canvas", dtype="uint8", shape=(None, None, None, 3)),)
"""RGB pictures (B, H, W, 3)."""

ONE_PASS_OUTPUTS = (
    TensorSpec(name="keypoints", dtype="float32", shape=(None, None, 17, 3)),
    TensorSpec(name="scores", dtype="float32", shape=(None, None)),
)
"""M candidates, best first, doubles among them: (B, M, 17, 3) x, y in canvas pixels, confidence."""

DETECTOR_OUTPUTS = (
    TensorSpec(name="boxes", dtype="float32", shape=(None, None, 4)),
    TensorSpec(name="scores", dtype="float32", shape=(None, None)),
)
"""M candidates, doubles among them: (B, M, 4) left, top, right, bottom edges in canvas pixels."""

CROPS = TensorSpec(name="crops", dtype="uint8", shape=(None, None, None, 3))
"""RGB pictures (N, h, w, 3), one person in the middle of each."""
CROP_POSES = TensorSpec(name="poses", dtype="float32", shape=(None, 17, 3))
"""(N, 17, 3) x, y in crop pixels and confidence of the poses to refine."""
CROP_OUTPUTS = (TensorSpec(name="keypoints", dtype="float32", shape=(None, 17, 3)),)
"""(N, 17, 3) x, y in crop pixels, confidence."""

SCORED_POSES = (
    TensorSpec(name="poses", dtype="float32", shape=(None, 17, 3)),
    TensorSpec(name="scores", dtype="float32", shape=(None,)),
)
"""(N, 17, 3) x, y in source pixels and confidence, and the (N,) scores that they came with."""
RESCORED = (TensorSpec(name="rescored", dtype="float32", shape=(None,)),)
"""(N,) new scores."""

NO_PICTURE = (0, 0)
"""The one canvas of a model that sees no pixels."""

StageName = Literal["one_pass", "detector", "top_down", "refiner", "scorer"]
Contract = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]

CONTRACTS: MappingProxyType[StageName, Contract] = MappingProxyType(
    {
        "one_pass": (CANVAS_INPUTS, ONE_PASS_OUTPUTS),
        "detector": (CANVAS_INPUTS, DETECTOR_OUTPUTS),
        "top_down": ((CROPS,), CROP_OUTPUTS),
        "refiner": ((CROPS, CROP_POSES), CROP_OUTPUTS),
        "scorer": (SCORED_POSES, RESCORED),
    }
)
"""Inputs and outputs that the graph of each stage must have."""


class Thresholds(_Frozen):
    """Settings of the batched step after a graph, and of what counts as a person."""

    min_score: float = Field(ge=0, le=1)
    """People below are none (chosen on validation data)."""
    start_score: float | None = Field(default=None, ge=0, le=1)
    """Poses below are no person by themselves, but where a track leads they are: the tracker's to
    tell. None: every pose from `min_score` on is a person."""
    nms_oks: float | None = Field(default=None, gt=0, le=1)
    """Poses, greedy: two more alike than this (OKS) are one person."""
    nms_slack_px: float = Field(default=0.0, ge=0)
    """Its square is added to the area in the OKS of `nms_oks` (canvas pixels): joints are found to
    some pixels at best, so doubles of a small person differ more, for its size."""
    soft_nms_iou: float | None = Field(default=None, gt=0, le=1)
    """Poses, soft: whose box overlaps a better one's by more than this (IoU) fades (SMPR)."""
    nms_iou: float | None = Field(default=None, gt=0, le=1)
    """Boxes, greedy: two that overlap by more than this (IoU) are one person."""


SUPPRESSIONS: MappingProxyType[StageName, tuple[str, ...]] = MappingProxyType(
    {
        "one_pass": ("nms_oks", "soft_nms_iou"),
        "detector": ("nms_iou",),
        "top_down": (),
        "refiner": (),
        "scorer": (),
    }
)
"""The threshold that names the suppression of doubles: exactly one of these for each stage that
makes any."""


class AgreementLimits(_Frozen):
    """How far an engine may be from the fp32 reference (`engines/certification`)."""

    mean_px: float = Field(default=1.0, gt=0)
    """Mean distance of seen joints, canvas pixels."""
    far_share: float = Field(default=0.05, ge=0, le=1)
    """Joints that took another place (more than 4 canvas pixels off)."""
    mean_oks: float = Field(default=0.95, ge=0, le=1)
    """At least."""
    missed_share: float = Field(default=0.03, ge=0, le=1)
    """People of the reference that are not even weak candidates."""
    extra_share: float = Field(default=0.03, ge=0, le=1)


class Manifest(_Frozen):
    """What a model is and how it came to be; `manifest.json`."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9_]+$")
    stage: StageName
    description: str
    skeleton: Literal["coco_17"]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    canvases: tuple[tuple[int, int], ...] = Field(min_length=1)
    """(width, height) sizes the graph may be compiled for; the source's shape picks one. Of a model
    that takes crops: the sizes of the crop, the first is the one it was trained for. Of a scorer:
    `NO_PICTURE`."""
    crop_padding: float = Field(default=1.25, ge=1)
    """How much larger than the person's box a crop is (after growing to the crop's aspect)."""
    thresholds: Thresholds
    agreement_limits: AgreementLimits = AgreementLimits()
    fp32_layers: tuple[str, ...] = ()
    """Parts of names of layers that OpenVINO leaves in fp32 when the rest runs in bf16: rounding
    them costs more agreement than time."""
    onnx_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    training: dict[str, str]
    """Recipe, data, start weights, seed, duration: what the model card tells at length."""
    accuracy: dict[str, float]
    """Measured by `builders.evaluation`; key = data set and metric."""

    @model_validator(mode="after")
    def _keeps_the_contract_of_its_stage(self) -> Self:
        """Refuses other tensors than the stage has: no engine could be used otherwise."""
        for found, wanted in zip((self.inputs, self.outputs), CONTRACTS[self.stage], strict=True):
            if [_kind(spec) for spec in found] != [_kind(spec) for spec in wanted]:
                raise ValueError(
                    f"{self.stage}: expected {', '.join(map(_kind, wanted))}, "
                    f"got {', '.join(map(_kind, found)) or 'nothing'}"
                )
        if self.stage == "scorer":
            if self.canvases != (NO_PICTURE,):
                raise ValueError(f"canvases: a scorer sees no picture, got {self.canvases}")
        elif any(
            side < CANVAS_STEP or side % CANVAS_STEP for pair in self.canvases for side in pair
        ):
            raise ValueError(
                f"canvases: sides must be multiples of {CANVAS_STEP}, got {self.canvases}"
            )
        return self

    @model_validator(mode="after")
    def _names_one_suppression(self) -> Self:
        every = {name for names in SUPPRESSIONS.values() for name in names}
        given = {name for name in every if getattr(self.thresholds, name) is not None}
        wanted = SUPPRESSIONS[self.stage]
        if len(given) != min(1, len(wanted)) or not given <= set(wanted):
            raise ValueError(
                f"thresholds of {self.stage}: expected one of {', '.join(wanted) or 'none'}, "
                f"got {', '.join(sorted(given)) or 'none'}"
            )
        return self


def _kind(spec: TensorSpec) -> str:
    """Name, type, rank and inner sizes: what the contract fixes (batch, sides and M are open)."""
    inner = [str(side) for side in spec.shape[2:] if side is not None]
    return f"{spec.name} {spec.dtype} rank {len(spec.shape)} (..., {', '.join(inner)})"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model folder whose manifest was read and whose graph was found unaltered."""

    folder: Path
    manifest: Manifest

    @property
    def onnx_path(self) -> Path:
        """The portable graph."""
        return self.folder / MODEL_NAME


def load_manifest(folder: Path) -> Manifest:
    """Reads the manifest of a model folder; the graph is not looked at.

    Raises:
        ArtefactError: if the file is missing or wrong.
    """
    try:
        text = (folder / MANIFEST_NAME).read_text(encoding="utf-8")
        return Manifest.model_validate(json.loads(text))
    except OSError as error:
        raise _unreadable(folder, error) from error
    except (ValidationError, ValueError) as error:
        raise ArtefactError(
            f"model folder {folder}: {MANIFEST_NAME} is not valid: {error}"
        ) from error


def load_artefact(folder: Path) -> Artefact:
    """Reads and checks a model folder.

    Raises:
        ArtefactError: if a file is missing, the manifest is wrong, or the graph's hash differs.
    """
    manifest = load_manifest(folder)
    try:
        found = hashlib.sha256((folder / MODEL_NAME).read_bytes()).hexdigest()
    except OSError as error:
        raise _unreadable(folder, error) from error
    if found != manifest.onnx_sha256:
        raise ArtefactError(
            f"model {manifest.name}: {MODEL_NAME} has sha256 {found[:12]}…, the manifest says "
            f"{manifest.onnx_sha256[:12]}…; it was altered or cut short: install the model again"
        )
    return Artefact(folder, manifest)


def _unreadable(folder: Path, error: OSError) -> ArtefactError:
    return ArtefactError(f"model folder {folder}: cannot read {error.filename}: {error.strerror}")
