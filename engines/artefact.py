"""The folder of a model: `model.onnx`, `manifest.json`, `MODEL_CARD.md`."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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


class Thresholds(_Frozen):
    """Settings of the batched step after a one-pass graph, and of what counts as a person."""

    min_score: float = Field(ge=0, le=1)
    """Poses below are not people (chosen on validation data)."""
    nms_oks: float = Field(gt=0, le=1)
    """Two poses more alike than this (OKS) are one person."""


class Manifest(_Frozen):
    """What a model is and how it came to be; `manifest.json`."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9_]+$")
    stage: Literal["one_pass"]
    description: str
    skeleton: Literal["coco_17"]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    canvases: tuple[tuple[int, int], ...] = Field(min_length=1)
    """(width, height) sizes the graph may be compiled for; the source's shape picks one."""
    thresholds: Thresholds
    onnx_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    training: dict[str, str]
    """Recipe, data, start weights, seed, duration: what the model card tells at length."""
    accuracy: dict[str, float]
    """Measured by `builders.evaluation`; key = data set and metric."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model folder whose manifest was read and whose graph was found unaltered."""

    folder: Path
    manifest: Manifest

    @property
    def onnx_path(self) -> Path:
        """The portable graph."""
        return self.folder / MODEL_NAME


def load_artefact(folder: Path) -> Artefact:
    """Reads and checks a model folder.

    Raises:
        ArtefactError: if a file is missing, the manifest is wrong, or the graph's hash differs.
    """
    try:
        text = (folder / MANIFEST_NAME).read_text(encoding="utf-8")
        manifest = Manifest.model_validate(json.loads(text))
        found = hashlib.sha256((folder / MODEL_NAME).read_bytes()).hexdigest()
    except OSError as error:
        raise ArtefactError(
            f"model folder {folder}: cannot read {error.filename}: {error.strerror}"
        ) from error
    except (ValidationError, json.JSONDecodeError) as error:
        raise ArtefactError(
            f"model folder {folder}: {MANIFEST_NAME} is not valid: {error}"
        ) from error
    if found != manifest.onnx_sha256:
        raise ArtefactError(
            f"model {manifest.name}: {MODEL_NAME} has sha256 {found[:12]}…, the manifest says "
            f"{manifest.onnx_sha256[:12]}…; it was altered or cut short: install the model again"
        )
    return Artefact(folder, manifest)
