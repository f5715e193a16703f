"""What is known of every file of a job; pure.

On disk it is a list of lines (`ManifestFile`): the settings, then items; of several items with the
same path the last one counts.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Literal

from stream.errors import ConfigError
from stream.jobs.fingerprint import Fingerprint

VERSION = 1

ResultFormat = Literal["jsonl", "parquet"]


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What the results depend on; the same for every file of a job."""

    model: str
    model_sha256: str
    """Of its graph: a model of the same name may have been trained anew."""
    engine: str = "auto"
    precision: str = "auto"
    format: ResultFormat = "jsonl"
    annotate: bool = False
    stride: int = 1
    smooth: bool = False
    detect_every: int = 1
    refine_below: float = 1.0

    def differences(self, other: "JobSettings") -> list[str]:
        """What differs, in words: `model bottom_up, not smpr`."""
        mine, theirs = asdict(self), asdict(other)
        return [
            f"{name} {mine[name]}, not {theirs[name]}"
            for name in mine
            if mine[name] != theirs[name]
        ]


class ItemState(StrEnum):
    """What became of a file."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a job."""

    path: str
    name: str
    """Of its results, without their ending."""
    state: ItemState = ItemState.PENDING
    fingerprint: Fingerprint | None = None
    """Of the file that the results are of."""
    frames: int = 0
    poses: int = 0
    error: str = ""
    """Why it failed."""

    def outputs(self, settings: JobSettings) -> tuple[str, ...]:
        """Names of its results, relative to the folder of the job."""
        video = (f"{self.name}.annotated.mp4",) if settings.annotate else ()
        return (f"{self.name}.{settings.format}", *video)

    def again(self) -> "Item":
        """As if nothing had been done."""
        return Item(self.path, self.name)


@dataclass(frozen=True, slots=True)
class JobManifest:
    """All of it."""

    settings: JobSettings
    items: dict[str, Item] = field(default_factory=dict)
    """By path, in the order in which they came."""

    def with_items(self, items: Iterable[Item]) -> "JobManifest":
        """With items added or replaced."""
        return replace(self, items=self.items | {item.path: item for item in items})

    def in_state(self, state: ItemState) -> list[Item]:
        """The items of that state, in order."""
        return [item for item in self.items.values() if item.state is state]


def settings_line(settings: JobSettings) -> str:
    """The first line of a manifest."""
    return json.dumps({"posestream_job": VERSION, "settings": asdict(settings)})


def item_line(item: Item) -> str:
    """The line of an item."""
    return json.dumps(asdict(item))


def manifest_of(lines: Iterable[str]) -> JobManifest:
    """The manifest that stands in the lines.

    Raises:
        ConfigError: if a line makes no sense.
    """
    manifest: JobManifest | None = None
    for number, line in enumerate(lines, start=1):
        try:
            if manifest is None:
                manifest = JobManifest(_settings(json.loads(line)))
            else:
                item = _item(json.loads(line))
                manifest.items[item.path] = item
        except (ValueError, TypeError, KeyError) as error:
            raise _damaged(number) from error
    if manifest is None:
        raise _damaged(1)
    return manifest


def _settings(found: dict[str, Any]) -> JobSettings:
    if found["posestream_job"] != VERSION:
        raise ValueError(f"version {found['posestream_job']}")
    return JobSettings(**found["settings"])


def _item(found: dict[str, Any]) -> Item:
    if set(found) != {one.name for one in fields(Item)}:
        raise ValueError(f"fields {sorted(found)}")
    fingerprint = found["fingerprint"]
    return Item(
        **found
        | {
            "state": ItemState(found["state"]),
            "fingerprint": Fingerprint(**fingerprint) if fingerprint else None,
        }
    )


def _damaged(number: int) -> ConfigError:
    return ConfigError(
        f"manifest.jsonl: line {number} is not of a job of this version; begin anew with --fresh"
    )
