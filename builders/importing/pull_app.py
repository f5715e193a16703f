"""`posestream models pull`: fetches published weights."""

import json
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from builders.importing.download import FetchSettings, fetch
from builders.importing.published_files import ELSEWHERE, PUBLISHED_FILES, PublishedFile
from engines.engine_store import default_store_root
from stream.errors import ConfigError

EXAMPLES = "\n".join((
    "[bold]Examples[/bold]",
    "posestream models pull --list",
    "posestream models pull mmpose_hrnet_w32_256x192 --to weights",
))  # fmt: skip

app = typer.Typer(add_completion=False)


@app.command(name="pull", epilog=EXAMPLES)
def pull_command(
    name: Annotated[
        str | None,
        typer.Argument(help="A name of --list.", show_default=False, metavar="NAME"),
    ] = None,
    *,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Folder; weights/ in your cache folder without it.",
            show_default=False,
            metavar="DIR",
        ),
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Tell what there is and where.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Fetch weights that others published: goes on where it was cut off, verifies the hash.

    They are data of their authors, under their licences. Import them afterwards.
    """
    if list_all or name is None:
        typer.echo(listed_json()) if as_json else print_list()
        return
    file = published_file(name)
    path = (to or default_store_root() / "weights") / file.file_name
    digest = fetch_shown(file, path)
    if as_json:
        typer.echo(json.dumps({"file": str(path), "sha256": digest, **asdict(file)}))
        return
    typer.echo(f"{path}\nsha256 {digest}, licence {file.licence}")
    typer.echo(f"next: posestream models import {path} --as {file.network}")


def published_file(name: str) -> PublishedFile:
    """The file of that name.

    Raises:
        ConfigError: if there is none; suggests the nearest.
    """
    known = {file.name: file for file in PUBLISHED_FILES}
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"no published file {name!r}; {hint}see posestream models pull --list")
    return known[name]


def fetch_shown(file: PublishedFile, path: Path) -> str:
    """Fetches with a progress bar on standard error; its sha256."""
    columns = (TextColumn(file.file_name), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def progress(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        return fetch(file.url, file.sha256_prefix, path, progress, FetchSettings())


def listed_json() -> str:
    """Everything that is known, as JSON."""
    return json.dumps(
        {
            "fetchable": [asdict(file) for file in PUBLISHED_FILES],
            "elsewhere": [asdict(files) for files in ELSEWHERE],
        },
        indent=2,
    )


def print_list() -> None:
    """Two tables: what can be fetched, and where a person finds the rest."""
    console = Console()
    whole = [Column(head, no_wrap=True) for head in ("name", "import as", "sha256", "licence")]
    table = Table(*whole, title="posestream models pull NAME")
    for file in PUBLISHED_FILES:
        table.add_row(file.name, file.network, f"{file.sha256_prefix}…", file.licence)
    console.print(table)
    folded = [Column(head, overflow="fold") for head in ("files", "import as", "where")]
    other = Table(*folded, title="to be fetched by hand")
    for files in ELSEWHERE:
        other.add_row(files.names, files.networks, files.where)
    console.print(other)
