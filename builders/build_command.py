"""`posestream build`: compiles models ahead, for this machine or for others' GPUs."""

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from builders.engine_build import BuildOrder, EngineBuilder
from engines.certification.certificate import Certificate, Judgement
from engines.certification.picture_set import folder_set
from engines.engine import Precision
from engines.engine_store import EngineStore, default_store_root
from engines.open_engine import EngineName
from engines.shape_buckets import checked_buckets
from engines.tensorrt_backend import Capability
from engines.zoo_models import find_model, list_models
from stream.clock import SystemClock
from stream.errors import ConfigError

ALL = "all"
FAILED = 1
EXAMPLES = "\n".join(
    (
        "[bold]Examples[/bold]",
        "[dim]# compile the default engine ahead: the next start is quicker[/dim]",
        "posestream build bottom_up",
        "[dim]# int8 from real pictures; layers that hurt stay higher[/dim]",
        "posestream build bottom_up --precision int8 --pictures PHOTOS",
        "[dim]# for other machines' GPUs, without one here[/dim]",
        "posestream build all --engine tensorrt_rtx --precision fp16 --batch 1,8 --target 8.6,8.9",
    )
)

app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLES)
def build(  # noqa: PLR0913 - one parameter for each option: Typer reads the signature
    model: Annotated[
        str, typer.Argument(help="Name or folder of a model, or all.", metavar="MODEL")
    ],
    *,
    engine: Annotated[
        Literal["openvino", "onnxruntime", "torch", "tensorrt", "tensorrt_rtx"],
        typer.Option(help="What will run it."),
    ] = "openvino",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"],
        typer.Option(help="Arithmetic; auto takes the best that needs no pictures."),
    ] = "auto",
    batch: Annotated[str, typer.Option(help="Batch sizes to compile for.", metavar="N,N,…")] = "1",
    target: Annotated[
        str,
        typer.Option(
            help="Compute capabilities (tensorrt_rtx); this machine's GPU without it.",
            metavar="8.6,8.9",
        ),
    ] = "",
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Real pictures of people: half to calibrate int8 and fp8, half to judge.",
            metavar="DIR",
        ),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Also what is in the store already.")
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(
            envvar="POSESTREAM_CACHE",
            help="Folder of built engines and certificates; in your cache folder without it.",
            show_default=False,
            metavar="DIR",
        ),
    ] = None,
) -> None:
    """Compile a model's engines ahead, and measure them beside the fp32 reference.

    Exit code 1 if an engine disagrees with the reference.
    """
    logging.basicConfig(level=logging.WARNING)
    console = Console(stderr=True)
    artefacts = [find_model(name) for name in _names(model)]
    batches, targets = checked_buckets(_numbers(batch)), _capabilities(target)
    wanted = None if precision == "auto" else Precision(precision)
    found = folder_set(pictures) if pictures else None
    store = EngineStore(cache or default_store_root())
    certificates = []
    for artefact in artefacts:
        order = BuildOrder(artefact, EngineName(engine), wanted, batches, targets, found, rebuild)
        console.print(f"[bold]{artefact.manifest.name}[/bold] for {engine}, into {store.root}")
        builder = EngineBuilder(order, store, SystemClock(), lambda line: _say(console, line))
        certificates.append(builder.build())
    raise typer.Exit(_code(certificates))


def _names(model: str) -> list[str]:
    return [manifest.name for manifest in list_models()] if model == ALL else [model]


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise ConfigError(f"batch: expected numbers like 1,8,32, got {text!r}") from error


def _capabilities(text: str) -> tuple[Capability, ...]:
    try:
        pairs = [word.split(".") for word in text.split(",") if word]
        return tuple((int(major), int(minor)) for major, minor in pairs)
    except ValueError as error:
        raise ConfigError(
            f"target: expected compute capabilities like 8.6,8.9, got {text!r}"
        ) from error


def _code(certificates: list[Certificate | None]) -> int:
    failed = [one for one in certificates if one and one.verdict is Judgement.FAILED]
    return FAILED if failed else 0


def _say(console: Console, line: str) -> None:
    console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
