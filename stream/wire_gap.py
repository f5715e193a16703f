"""Gaps as text: one line of JSON where results are missing, format `gap.schema.json`."""

import json
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stream.errors import PoseError
from stream.wire import ResultLine, decode_line

GAP_VERSION = 1
_START = '{"schema":1,"gap":'


class FrameMark(BaseModel):
    """A frame whose result lies at the edge of a gap."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    epoch: int = Field(ge=0)
    frame: int = Field(ge=0)
    captured_ms: int
    """Unix time at which the frame left the decoder."""


class GapLine(BaseModel):
    """A gap as it stands in a line: so many results are missing here."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_version: Literal[1] = Field(alias="schema")
    gap: int = Field(ge=1)
    """How many results are missing."""
    stream: str = Field(min_length=1)
    after: FrameMark | None
    """The last result before the gap; None if nothing is known of one."""
    before: FrameMark | None
    """The first result after the gap; None if the stream was closed first."""


def encode_gap(stream: str, missing: int, after: FrameMark | None, before: FrameMark | None) -> str:
    """The line of a gap, without a line break and in pure ASCII."""
    fields = {
        "schema": GAP_VERSION,
        "gap": missing,
        "stream": stream,
        "after": after.model_dump() if after else None,
        "before": before.model_dump() if before else None,
    }
    return json.dumps(fields, separators=(",", ":"))


def decode_delivered(line: str, number: int = 1) -> ResultLine | GapLine:
    """The result or gap of a line; `number` is its place in the file, from 1, for the message.

    Raises:
        PoseError: if the line is neither.
    """
    if not line.startswith(_START):
        return decode_line(line, number)
    try:
        return GapLine.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PoseError(
            f"line {number} is no gap of version 1: {first['loc']}: {first['msg']}"
        ) from error


def gap_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a gap's line, as shipped."""
    text = files("stream").joinpath("gap.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
