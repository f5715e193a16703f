"""What of a job is still to do, and why something is done again."""

from collections.abc import Callable, Sequence
from pathlib import Path

from stream.errors import ConfigError
from stream.jobs.fingerprint import fingerprint_of
from stream.jobs.inputs import Found, allot_names
from stream.jobs.manifest import Item, ItemState, JobManifest, JobSettings

Say = Callable[[str], None]
"""Told why something is done again."""


def resumed(
    before: JobManifest | None, found: Sequence[Found], settings: JobSettings, out: Path, say: Say
) -> JobManifest:
    """The manifest to work on: what there was, what is new, and what must be done again.

    Raises:
        ConfigError: if the job was begun with other settings.
    """
    manifest = before or JobManifest(settings)
    if differences := manifest.settings.differences(settings):
        raise ConfigError(
            f"the job in {out} was begun with {'; '.join(differences)}; use the same options, "
            "another folder, or begin anew with --fresh"
        )
    taken = {item.path: item.name for item in manifest.items.values()}
    new = [Item(path, name) for path, name in allot_names(found, taken).items()]
    again = [_checked(item, settings, out, say) for item in manifest.items.values()]
    return manifest.with_items([*again, *new])


def retried(before: JobManifest | None, out: Path) -> JobManifest:
    """The manifest with everything that failed to be done again.

    Raises:
        ConfigError: if there is no job.
    """
    manifest = existing(before, out)
    return manifest.with_items([item.again() for item in manifest.in_state(ItemState.FAILED)])


def existing(manifest: JobManifest | None, out: Path) -> JobManifest:
    """The manifest, which must be there.

    Raises:
        ConfigError: if there is no job.
    """
    if manifest is None:
        raise ConfigError(f"no job in {out}; begin one with: posestream batch PATH... -o {out}")
    return manifest


def _checked(item: Item, settings: JobSettings, out: Path, say: Say) -> Item:
    """The item, or a fresh one if its results are gone or of another file."""
    if item.state is ItemState.PENDING:
        return item
    now = fingerprint_of(Path(item.path))
    if now is not None and now != item.fingerprint:
        say(f"{item.path}: changed since it was read; doing it again")
        return item.again()
    gone = [name for name in item.outputs(settings) if not (out / name).is_file()]
    if item.state is ItemState.DONE and gone:
        say(f"{item.path}: its result {gone[0]} is gone; doing it again")
        return item.again()
    return item
