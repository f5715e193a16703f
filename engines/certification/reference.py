"""The people that the fp32 reference found.

For models that ship they are recorded beside the graph (`reference.json`, found by torch in fp32),
so that an engine can be measured in a fraction of a second on a machine without torch.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from engines.certification.agreement import Candidates
from stream.errors import ArtefactError

REFERENCE_NAME = "reference.json"
_DECIMALS = 3


class _People(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keypoints: list[list[tuple[float, float, float]]]
    scores: list[float]


class RecordedReference(BaseModel):
    """`reference.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    onnx_sha256: str
    found_by: str
    """Backend, version and precision."""
    also: Mapping[str, float]
    """Other fp32 backend -> its worst keypoint difference from these people, canvas pixels."""
    pictures: str
    """Name of the picture set."""
    people: Mapping[str, list[_People]]
    """Canvas "WIDTHxHEIGHT" -> one entry a picture."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The people of one picture set on one canvas, and who found them."""

    found_by: str
    people: Sequence[Candidates]


def canvas_name(canvas: tuple[int, int]) -> str:
    """(width, height) in words."""
    return f"{canvas[0]}x{canvas[1]}"


def recorded(people: Sequence[Candidates]) -> list[_People]:
    """Candidates as they are written down."""
    return [
        _People(
            keypoints=np.round(one.keypoints.astype(float), _DECIMALS).tolist(),
            scores=np.round(one.scores.astype(float), _DECIMALS + 2).tolist(),
        )
        for one in people
    ]


def read_reference(
    folder: Path, onnx_sha256: str, pictures: str, canvas: tuple[int, int]
) -> Reference | None:
    """What is recorded in a model's folder; None if nothing is, or of something else.

    Raises:
        ArtefactError: if the file is broken.
    """
    path = folder / REFERENCE_NAME
    try:
        found = RecordedReference.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError) as error:
        raise ArtefactError(f"reference {path}: cannot be read: {error}") from error
    people = found.people.get(canvas_name(canvas))
    if people is None or (found.onnx_sha256, found.pictures) != (onnx_sha256, pictures):
        return None
    return Reference(found.found_by, [_candidates(one) for one in people])


def write_reference(reference: RecordedReference, folder: Path) -> None:
    """Writes `reference.json`."""
    text = json.dumps(reference.model_dump(mode="json"), separators=(",", ":"))
    (folder / REFERENCE_NAME).write_text(text + "\n", encoding="utf-8")


def _candidates(one: _People) -> Candidates:
    return Candidates(
        np.array(one.keypoints, np.float32).reshape(len(one.keypoints), -1, 3),
        np.array(one.scores, np.float32),
    )
