"""Results as text: one frame, one line of JSON, format `result.schema.json`."""

import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stream.errors import PoseError
from stream.frame import FrameResult, Outcome
from stream.pose import Pose, TrackedPose
from stream.skeleton import COCO_17

SCHEMA_VERSION = 1
JOINTS = len(COCO_17.joints)

Number = Annotated[float, Field(allow_inf_nan=False)]
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Keypoint = tuple[Number, Number, Ratio]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PoseLine(_Line):
    """One person as it stands in a line; coordinates in pixels of the source frame."""

    track: int = Field(ge=1)
    score: Ratio
    box: tuple[Number, Number, Length, Length]
    """(x, y, width, height)."""
    keypoints: Annotated[tuple[Keypoint, ...], Field(min_length=JOINTS, max_length=JOINTS)]
    """17 of (x, y, confidence), COCO order."""

    def tracked_pose(self) -> TrackedPose:
        """The person as the pipeline knows it, to the precision of the line."""
        table = np.array(self.keypoints, np.float32)
        pose = Pose(table[:, :2].copy(), table[:, 2].copy(), self.score)
        return TrackedPose(self.track, pose)


class ResultLine(_Line):
    """One frame as it stands in a line: a `FrameResult` without its picture."""

    schema_version: Literal[1] = Field(alias="schema")
    stream: str = Field(min_length=1)
    epoch: int = Field(ge=0)
    frame: int = Field(ge=0)
    pts_seconds: Number
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    outcome: Outcome
    model: str
    poses: tuple[PoseLine, ...]

    @model_validator(mode="after")
    def _only_inferred_frames_have_poses(self) -> Self:
        if self.poses and self.outcome is not Outcome.INFERRED:
            raise ValueError(f"a frame with outcome {self.outcome} cannot carry poses")
        return self


def encode(result: FrameResult) -> str:
    """The line of a result, without a line break and in pure ASCII.

    Coordinates are rounded to 0.01 px, score and confidence to 0.001, times to 1 microsecond.

    Raises:
        PoseError: if a pose has not 17 joints or a confidence outside [0, 1], or a time is not
            finite: no reader could make sense of it.
    """
    frame = result.frame
    fields = {
        "schema": SCHEMA_VERSION,
        "stream": frame.stream,
        "epoch": frame.epoch,
        "frame": frame.index,
        "pts_seconds": round(frame.pts_seconds, 6) + 0.0,
        "width": frame.picture.width,
        "height": frame.picture.height,
        "outcome": result.outcome.value,
        "model": result.model,
        "poses": _poses_fields(result.poses),
    }
    try:
        return json.dumps(fields, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise PoseError(
            f"frame {frame.index} of {frame.stream}: times must be finite, "
            f"got pts_seconds {frame.pts_seconds}"
        ) from error


def decode_line(line: str, number: int = 1) -> ResultLine:
    """The result of a line; `number` is its place in the file, from 1, for the message.

    Raises:
        PoseError: if the line is not a result of version 1.
    """
    try:
        return ResultLine.model_validate_json(line)
    except ValidationError as error:
        raise PoseError(f"line {number} is not a result of version 1: {_faults(error)}") from error


def decode_lines(lines: Iterable[str]) -> Iterator[ResultLine]:
    """The results of an open `.jsonl` file, one by one.

    Raises:
        PoseError: at the first line that is not a result; the message names it.
    """
    for number, line in enumerate(lines, start=1):
        yield decode_line(line, number)


def result_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a line, as shipped."""
    text = files("stream").joinpath("result.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _poses_fields(poses: tuple[TrackedPose, ...]) -> list[dict[str, object]]:
    if not poses:
        return []
    return [
        {
            "track": int(tracked.track),
            "score": round(float(tracked.pose.score), 3),
            "box": [round(side, 2) + 0.0 for side in tracked.pose.box_px()],
            "keypoints": keypoints,
        }
        for tracked, keypoints in zip(poses, _keypoints(poses), strict=True)
    ]


def _keypoints(poses: tuple[TrackedPose, ...]) -> list[object]:
    """17 of x, y, confidence of each person, rounded; all people at once, which is quicker."""
    joints = {len(tracked.pose.confidence) for tracked in poses}
    if joints != {JOINTS}:
        raise PoseError(f"a result line holds {JOINTS} joints, got {joints - {JOINTS}}")
    table = np.empty((len(poses), JOINTS, 3), np.float64)
    for row, tracked in zip(table, poses, strict=True):
        row[:, :2] = tracked.pose.keypoints_px
        row[:, 2] = tracked.pose.confidence
    low, high = table[..., 2].min(), table[..., 2].max()
    if low < 0 or high > 1:
        raise PoseError(f"confidence must lie in [0, 1], got {low:.3f} to {high:.3f}")
    table[..., :2] = np.round(table[..., :2], 2)
    table[..., 2] = np.round(table[..., 2], 3)
    # -0.0 would be written as "-0.0"; adding zero makes it 0.0.
    rounded: list[object] = (table + 0.0).tolist()
    return rounded


def _faults(error: ValidationError) -> str:
    """The first fault in words, and how many more there are."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    place = ".".join(str(part) for part in faults[0]["loc"]) or "whole line"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{place}: {faults[0]['msg']}{more}"
