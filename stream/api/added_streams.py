"""Streams that were added over the API, kept in a file so that they outlive the daemon.

The file holds what was asked for, and of logins the names; never a password. It is replaced as a
whole, before what it tells is done: after a crash, a stream may be there that nobody was told of,
but none is lost. Where the site file names a stream too, the site file counts.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from stream.api.new_stream import NetworkStream, NewStream, new_plan
from stream.errors import ConfigError, PoseStreamError
from stream.fleet.stream_plan import StreamPlan
from stream.sinks.partial_file import PartialFile
from stream.sinks.write_errors import write_error
from stream.site_file.fault_words import fault_in_words
from stream.site_file.read_site import ModelCheck, path_text
from stream.site_file.site_model import Site

log = logging.getLogger(__name__)

MAX_BYTES = 4 << 20
OWNER_ONLY = 0o600
"""Addresses are nobody else's business."""


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    streams: tuple[NetworkStream, ...] = ()


class AddedStreams:
    """Changed by one caller at a time; read by any thread."""

    def __init__(self, path: Path | None) -> None:
        """Reads the file, and shows that it can be written; without one, nothing is kept.

        Raises:
            ConfigError: if it cannot be read, or holds something else than streams.
            SinkError: if it cannot be written.
        """
        self._path = path
        self._wishes: tuple[NetworkStream, ...] = ()
        if path is not None:
            self._replace(_read(path))

    @property
    def names(self) -> frozenset[str]:
        """Of the streams that are kept."""
        return frozenset(wish.name for wish in self._wishes)

    def keep(self, wish: NewStream) -> bool:
        """Keeps a stream, if there is a file and no secret in it; returns whether it does.

        Raises:
            SinkError: if the file cannot be written; nothing is kept then.
        """
        if self._path is None or wish.has_secret:
            return False
        kept = NetworkStream.model_validate(wish.model_dump(exclude={"login"}, exclude_unset=True))
        self._replace((*self._without(wish.name), kept))
        return True

    def forget(self, name: str) -> bool:
        """Keeps a stream no more; returns whether it was kept.

        Raises:
            SinkError: if the file cannot be written; it is kept all the same then.
        """
        was_kept = name in self.names
        if was_kept:
            self._replace(self._without(name))
        return was_kept

    def pause(self, name: str, *, is_paused: bool) -> None:
        """Keeps a stream, if it is kept at all, as paused or not.

        Raises:
            SinkError: if the file cannot be written; it is kept as before then.
        """
        if name in self.names:
            change = {"paused": is_paused}
            self._replace(
                tuple(
                    wish.model_copy(update=change) if wish.name == name else wish
                    for wish in self._wishes
                )
            )

    def plans(self, site: Site, folder: Path, check_model: ModelCheck) -> list[StreamPlan]:
        """What is kept, as far as it can be done beside the site file; tells what cannot."""
        plans: list[StreamPlan] = []
        for wish, plan in _planned(self._wishes, site, folder, check_model):
            if isinstance(plan, PoseStreamError):
                log.warning(
                    "added_stream_left_out", extra={"stream": wish.name, "cause": str(plan)}
                )
            else:
                plans.append(plan)
        return plans

    def _without(self, name: str) -> tuple[NetworkStream, ...]:
        return tuple(wish for wish in self._wishes if wish.name != name)

    def _replace(self, wishes: tuple[NetworkStream, ...]) -> None:
        if self._path is not None:
            _write(self._path, _Kept(streams=wishes).model_dump_json(indent=2, exclude_unset=True))
        self._wishes = wishes


def left_out(path: Path, site: Site, folder: Path, check_model: ModelCheck) -> list[str]:
    """Which streams kept in a file a daemon would not start, and why; writes nothing.

    Raises:
        ConfigError: if the file cannot be read, or holds something else than streams.
    """
    return [
        f"added stream {wish.name} is left out: {plan}"
        for wish, plan in _planned(_read(path), site, folder, check_model)
        if isinstance(plan, PoseStreamError)
    ]


def _planned(
    wishes: Sequence[NetworkStream], site: Site, folder: Path, check_model: ModelCheck
) -> Iterator[tuple[NetworkStream, StreamPlan | PoseStreamError]]:
    """Each stream with its plan, or why it has none beside the site file."""
    named = {stream.name for stream in site.streams}
    places = site.limits.streams - len(named)
    for wish in wishes:
        try:
            if wish.name in named:
                raise ConfigError(
                    "the site file names a stream like it, which counts; take one of both out"
                )
            if places <= 0:
                raise ConfigError(f"limits.streams is {site.limits.streams}; raise it")
            plan = new_plan(wish, site, folder, check_model)
        except PoseStreamError as error:
            yield wish, error
        else:
            places -= 1
            yield wish, plan


def _read(path: Path) -> tuple[NetworkStream, ...]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
        return _Kept.model_validate_json(content or b"{}").streams
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(
            f"api.added_streams {path}: {error.strerror}; name a file that can be read"
        ) from error
    except ValidationError as error:
        raise ConfigError(f"api.added_streams {path}: {_faults(error)}") from None


def _faults(error: ValidationError) -> str:
    """Every fault, without a value that may be secret."""
    told = []
    for details in error.errors(include_url=False):
        path = tuple(details["loc"])
        is_json = details["type"] != "json_invalid"
        words = fault_in_words(_Kept, details, path) if is_json else "no JSON"
        told.append(f"{path_text(path)}: {words}" if path else words)
    return f"{'; '.join(told)}; correct the file, or remove it to begin without added streams"


def _write(path: Path, text: str) -> None:
    new = PartialFile(path).partial
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        new.touch(OWNER_ONLY)
        new.chmod(OWNER_ONLY)  # what a crash left may have another mode
        with new.open("w", encoding="utf-8") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(os.path.realpath(path))
    except OSError as error:
        raise write_error(str(path), error, "it tells of the streams as before") from error
