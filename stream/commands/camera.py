"""`posestream camera`: serves files as RTSP cameras until Ctrl-C."""

import logging
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from stream.camera.faults import Switch, parse_fault
from stream.camera.mount import Mount, make_mounts
from stream.camera.read_clip import read_clip
from stream.camera.server import Camera, run_camera
from stream.camera.settings import CameraSettings
from stream.clock import SystemClock
from stream.commands.interrupt import NOTICE, stop_on_signals
from stream.logs import configure_logs
from stream.pipeline import StopRequest

DONE = 0


def camera_command(
    files: Sequence[Path], fault_specs: Sequence[str], settings: CameraSettings
) -> int:
    """Prints one address a file on standard output, serves until a signal comes, returns 0.

    Raises:
        PoseStreamError: what cannot be read or served, or makes no sense.
    """
    configure_logs(logging.INFO)
    faults = [parse_fault(spec) for spec in fault_specs]
    replacements = [fault.to for fault in faults if isinstance(fault, Switch)]
    clips = {path: read_clip(path) for path in dict.fromkeys([*files, *replacements])}
    mounts = make_mounts([clips[path] for path in files], faults, clips)
    stop = StopRequest()

    def ready(addresses: list[str]) -> None:
        _describe(mounts, settings)
        typer.echo("\n".join(addresses))

    with stop_on_signals(stop, NOTICE):
        run_camera(Camera(mounts, settings, SystemClock()), stop, ready)
    return DONE


def _describe(mounts: Sequence[Mount], settings: CameraSettings) -> None:
    """For people; the addresses themselves are for programs too."""
    console = Console(stderr=True, highlight=False)
    for mount in mounts:
        console.print(
            f"{mount.name}: {mount.clip.name}, {mount.clip.in_words}", soft_wrap=True, markup=False
        )
    if settings.login is not None:
        console.print(f"readers log in as {settings.login.user}", soft_wrap=True, markup=False)
