"""`posestream certify` and `posestream bench`: their options.

Bodies import what they run, so that `--help` and completion answer at once.
"""
# ruff: noqa: PLC0415 - see above

from pathlib import Path
from typing import Annotated, Literal

import typer

from stream.commands.cascade_options import DetectEveryOption

EngineOption = Annotated[
    Literal["auto", "openvino", "onnxruntime", "torch", "tensorrt", "tensorrt_rtx"],
    typer.Option("--engine", help="What runs the model; auto takes the fastest that works."),
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"],
    typer.Option("--precision", help="Arithmetic; auto takes the fastest the engine has here."),
]
PicturesOption = Annotated[
    Path | None,
    typer.Option(
        "--pictures",
        help="Folder of real pictures; drawn people that come along without it.",
        show_default=False,
        metavar="DIR",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads of the engine; all cores without it."),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        envvar="POSESTREAM_CACHE",
        help="Folder of built engines and certificates; in your cache folder without it.",
        show_default=False,
        metavar="DIR",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
ModelArgument = Annotated[
    str, typer.Argument(help="Name or folder of a model.", show_default=False, metavar="MODEL")
]

CERTIFY_EXAMPLES = "\n".join(
    (
        "[bold]Examples[/bold]",
        "posestream certify bottom_up",
        "[dim]# on your own pictures, and only one precision[/dim]",
        "posestream certify bottom_up --precision bf16 --pictures PHOTOS",
    )
)
BENCH_EXAMPLES = "\n".join(
    (
        "[bold]Examples[/bold]",
        "posestream bench bottom_up --batch 1,8",
        "[dim]# two in turn in one run: ENGINE or ENGINE:PRECISION[/dim]",
        "posestream bench bottom_up --compare openvino onnxruntime:fp32",
        "[dim]# what a frame costs by the people in it[/dim]",
        "posestream bench DETECTOR+TOP_DOWN --people 1,4,8 --json",
    )
)


def certify_model(  # noqa: PLR0913 - one parameter for each option: Typer reads the signature
    model: ModelArgument,
    *,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    pictures: PicturesOption = None,
    threads: ThreadsOption = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how far an engine's people are from those of the fp32 reference, and keep it.

    Exit code 1 if a limit of the model's manifest is broken.
    """
    from stream.commands.certify import certify_command
    from stream.commands.chosen_engine import ChosenEngine

    settings = ChosenEngine(model, engine, precision, pictures, threads, cache)
    raise typer.Exit(certify_command(settings, as_json=as_json))


def bench_model(  # noqa: PLR0913 - one parameter for each option: Typer reads the signature
    model: ModelArgument,
    *,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    batch: Annotated[
        str, typer.Option(help="Batch sizes, each compiled for itself.", metavar="N,N,…")
    ] = "1",
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            help="Two engines, timed in turn in one run.",
            show_default=False,
            metavar="A B",
        ),
    ] = None,
    people: Annotated[
        str,
        typer.Option(help="Of several models: how many people are in a frame.", metavar="N,N,…"),
    ] = "1,4,8",
    detect_every: DetectEveryOption = 1,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of measuring.")] = 5.0,
    pictures: PicturesOption = None,
    threads: ThreadsOption = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check an engine's outputs, then time it: p50, p95, p99, images and operations a second.

    Exit code 1, and no times, if its people are not those of the fp32 reference. Of several models
    (DETECTOR+TOP_DOWN) the table tells what a frame costs by the number of people in it.
    """
    from engines.cascade.models import split_models
    from stream.commands.bench import BenchSettings, bench_command
    from stream.commands.chosen_engine import ChosenEngine, batch_sizes

    one = ChosenEngine(model, engine, precision, pictures, threads, cache)
    if len(split_models(model)) > 1:
        from stream.commands.bench_cascade import CascadeBench, bench_cascade
        from stream.commands.chosen_engine import refuse_for_cascades, whole_numbers

        refuse_for_cascades(one, batch, compare)
        numbers = whole_numbers("people", people)
        raise typer.Exit(
            bench_cascade(CascadeBench(one, numbers, seconds, detect_every), as_json=as_json)
        )
    settings = BenchSettings(one, batch_sizes(batch), compare, seconds)
    raise typer.Exit(bench_command(settings, as_json=as_json))
