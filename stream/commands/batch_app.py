"""The words of `posestream batch`, `posestream batch status` and `posestream batch retry`."""
# ruff: noqa: PLC0415 - bodies import what they run, so that `--help` answers at once

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from stream.commands.cascade_options import DetectEveryOption, ModelsOption, RefineBelowOption
from stream.commands.decode_option import DecodeOption
from stream.ingest.decode_ladder import DecodeWish

WORK = "work"
"""The command that stands for `posestream batch PATH...`; nobody writes its name."""


class BatchGroup(TyperGroup):
    """`posestream batch` with words that are no command of it begins a job with them."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Puts the command in front that the user left out."""
        if args[:1] and args[0] not in self.commands:
            args = [WORK, *args]
        return super().parse_args(ctx, args)

    def resolve_command(  # type: ignore[override]
        self, ctx: typer.Context, args: list[str]
    ) -> tuple[str | None, TyperCommand | None, list[str]]:
        """Leaves the name out of the usage that is shown."""
        name, command, rest = super().resolve_command(ctx, args)
        return "" if name == WORK else name, command, rest  # type: ignore[return-value]


OUT = "OUT"
BATCH_EXAMPLES = "\n".join(
    (
        "[bold]Examples[/bold]",
        "[dim]# every video of a folder; the same again goes on after a kill[/dim]",
        "posestream batch clips -o results",
        "[dim]# tables and videos with the people drawn in[/dim]",
        "posestream batch 'day*/*.mp4' -o results --format parquet --annotate",
        "[dim]# how far it is, what failed; try that again[/dim]",
        "posestream batch status results",
        "posestream batch retry results",
    )
)

batch_app = typer.Typer(
    cls=BatchGroup,
    no_args_is_help=True,
    help="Find the people in many files.",
    rich_markup_mode="rich",
)

OutArgument = Annotated[Path, typer.Argument(help="Folder of the job.", metavar=OUT)]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", min=1, help="Files read at a time; 2 to 4 without it.", metavar="N"
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of the engine; all cores without it.", metavar="N"),
]
BatchOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Frames in one call of the engine; as many as it works on at once without it.",
        show_default=False,
        metavar="N",
    ),
]
JsonProgressFlag = Annotated[
    bool, typer.Option("--json-progress", help="Print every event as a line of JSON.")
]
UncertifiedFlag = Annotated[
    bool, typer.Option("--allow-uncertified", help="Run an engine that disagrees with fp32, too.")
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        envvar="POSESTREAM_CACHE",
        help="Folder of built engines and certificates; in your cache folder without it.",
        show_default=False,
        metavar="DIR",
    ),
]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]

MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65535,
        help="Serve Prometheus metrics at this port.",
        show_default=False,
        metavar="PORT",
    ),
]


@batch_app.command(WORK, hidden=True, epilog=BATCH_EXAMPLES)
def work(  # noqa: PLR0913 - one parameter for each option: Typer reads the signature
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Videos, folders with videos, or patterns ('day*/*.mp4').",
            metavar="PATH",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder of the results.", metavar=OUT, show_default=False),
    ],
    format_: Annotated[
        Literal["jsonl", "parquet"], typer.Option("--format", help="Form of the results.")
    ] = "jsonl",
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Also write the videos with the people drawn in.")
    ] = False,
    jobs: JobsOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew instead of going on.")] = False,
    model: ModelsOption = "bottom_up",
    engine: Annotated[
        Literal["auto", "openvino", "onnxruntime"],
        typer.Option(help="What runs the model; auto takes the fastest that works."),
    ] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"],
        typer.Option(help="Arithmetic; auto takes the fastest that agrees with fp32 here."),
    ] = "auto",
    stride: Annotated[int, typer.Option(min=1, help="Infer every N-th frame.", metavar="N")] = 1,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Smooth the keypoints of each track (One Euro).")
    ] = False,
    detect_every: DetectEveryOption = 1,
    refine_below: RefineBelowOption = 1.0,
    threads: ThreadsOption = None,
    decode: DecodeOption = DecodeWish.AUTO,
    batch: BatchOption = None,
    allow_uncertified: UncertifiedFlag = False,
    cache: CacheOption = None,
    json_progress: JsonProgressFlag = False,
    quiet: QuietFlag = False,
    metrics_port: MetricsPortOption = None,
) -> None:
    """Find and track the people in many videos.

    Goes on where it stopped, whatever stopped it. A file that cannot be read does not stop the
    rest. [bold]posestream batch status OUT[/bold] tells how far it is, [bold]posestream batch retry
    OUT[/bold] tries again what failed. Exit code: 0 all done, 1 some failed or left, 2 wrong use.
    """
    from stream.commands.batch_command import batch_command
    from stream.commands.batch_settings import BatchSettings, Workforce

    settings = BatchSettings(
        paths=tuple(paths),
        out=out,
        model=model,
        workforce=Workforce(
            jobs,
            threads,
            batch,
            allow_uncertified,
            cache,
            json_progress,
            quiet,
            metrics_port,
            decode,
        ),
        engine=engine,
        precision=precision,
        format=format_,
        annotate=annotate,
        stride=stride,
        smooth=smooth,
        detect_every=detect_every,
        refine_below=refine_below,
        fresh=fresh,
    )
    raise typer.Exit(batch_command(settings))


@batch_app.command(epilog=BATCH_EXAMPLES)
def status(
    out: OutArgument,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Tell how far a job is and what failed. Exit code 0 if all of it is done."""
    from stream.commands.batch_command import status_command

    raise typer.Exit(status_command(out, as_json=as_json))


@batch_app.command(epilog=BATCH_EXAMPLES)
def retry(  # noqa: PLR0913 - one parameter for each option: Typer reads the signature
    out: OutArgument,
    *,
    jobs: JobsOption = None,
    threads: ThreadsOption = None,
    decode: DecodeOption = DecodeWish.AUTO,
    batch: BatchOption = None,
    allow_uncertified: UncertifiedFlag = False,
    cache: CacheOption = None,
    json_progress: JsonProgressFlag = False,
    quiet: QuietFlag = False,
    metrics_port: MetricsPortOption = None,
) -> None:
    """Do again what failed, with the options of the job, and what is left of it."""
    from stream.commands.batch_command import retry_command
    from stream.commands.batch_settings import Workforce

    workforce = Workforce(
        jobs,
        threads,
        batch,
        allow_uncertified,
        cache,
        json_progress,
        quiet,
        metrics_port,
        decode,
    )
    raise typer.Exit(retry_command(out, workforce))
