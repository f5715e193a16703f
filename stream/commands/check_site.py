"""`posestream check`: what is wrong with a site file, all of it at once."""

import sys
from pathlib import Path

from rich.console import Console

from engines.cascade.models import find_cascade
from engines.zoo_models import list_models
from stream.errors import ArtefactError, ConfigError
from stream.site_file.field_names import nearest
from stream.site_file.read_site import SiteError, missing_secrets, read_site
from stream.site_file.site_model import Site, within

DONE, WRONG_USE = 0, 2


def check_command(file: Path, *, secrets: bool) -> int:
    """Checks the file and prints the verdict; returns the exit code.

    Raises:
        ConfigError: if the file cannot be read at all.
    """
    try:
        site = read_site(file, wrong_with_model)
    except SiteError as error:
        sys.stderr.write("".join(f"{line}\n" for line in error.in_lines()))
        return WRONG_USE
    if secrets and not _starts(site, file):
        return WRONG_USE
    Console().print(f"{file}: good; {in_words(site)}", soft_wrap=True, highlight=False)
    return DONE


def _starts(site: Site, file: Path) -> bool:
    """Whether all is there that the file refers to; says what is not, and who is left out."""
    lacking = missing_secrets(site, file.parent)
    try:
        others = [] if lacking else _left_out(site, file.parent)
    except ConfigError as error:
        lacking, others = [str(error)], []
    sys.stderr.write("".join(f"{file}: {line}\n" for line in [*lacking, *others]))
    return not lacking


def _left_out(site: Site, folder: Path) -> list[str]:
    if site.api is None or site.api.added_streams is None:
        return []
    from stream.api.added_streams import left_out  # noqa: PLC0415 - .4 s: it loads the fleet

    return left_out(within(folder, site.api.added_streams), site, folder, wrong_with_model)


def wrong_with_model(name: str) -> str | None:
    """Why the model or cascade cannot be run; None if it can. Folders of one's own are, too."""
    try:
        find_cascade(name)
    except ConfigError as error:
        return str(error)
    except ArtefactError as error:
        meant = nearest(name, [model.name for model in list_models()])
        return f"{error}; did you mean {meant!r}?" if meant else str(error)
    return None


def in_words(site: Site) -> str:
    """What the site asks for."""
    streams = ", ".join(stream.name for stream in site.streams) or "none"
    sinks = ", ".join(sink.name for sink in site.sinks)
    return f"streams: {streams}; sinks: {sinks}"
