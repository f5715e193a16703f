"""Every command and option of `posestream`.

Bodies import what they run, so that `--help` and completion answer at once.
"""
# ruff: noqa: PLC0415 - see above

from pathlib import Path
from typing import Annotated, Literal

import typer

from stream.commands.batch_app import batch_app
from stream.commands.builder_commands import add_builder_commands
from stream.commands.cascade_options import (
    DetectEveryOption,
    ModelsOption,
    RefineBelowOption,
    RefineBudgetOption,
)
from stream.commands.decode_option import DecodeOption
from stream.commands.engine_commands import (
    BENCH_EXAMPLES,
    CERTIFY_EXAMPLES,
    CacheOption,
    EngineOption,
    bench_model,
    certify_model,
)
from stream.commands.interrupt import ctrl_c_ends_at_once
from stream.ingest.decode_ladder import DecodeWish

DEFAULT_MODEL = "bottom_up"

app = typer.Typer(
    name="posestream",
    help="Streaming human-pose analytics: video in; tracked skeletons, events and health out.",
    epilog="Try it: posestream run demo",
    no_args_is_help=True,
    # A traceback is for bugs only, and then the plain one: rich's would show local variables.
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _examples(*lines: str) -> str:
    """A help text's end, line by line."""
    return "\n".join(("[bold]Examples[/bold]", *lines))


RUN_EXAMPLES = _examples(
    "[dim]# the clip that comes along, into demo.jsonl and demo.mp4[/dim]",
    "posestream run demo",
    "[dim]# skeletons of a file, one line of JSON a frame[/dim]",
    "posestream run walk.mp4 --output walk.jsonl",
    "[dim]# see them[/dim]",
    "posestream run walk.mp4 --annotate walk_people.mp4",
    "[dim]# a camera into Redis, with metrics[/dim]",
    "posestream run rtsp://HOST/PATH --output redis://HOST/0 --metrics-port 9100",
    "[dim]# into another program[/dim]",
    "posestream run walk.mp4 --output - --quiet | jq '.poses | length'",
)
MODELS_EXAMPLES = _examples("posestream models list", "posestream models show bottom_up --json")
DOCTOR_EXAMPLES = _examples(
    "posestream doctor",
    "[dim]# as data, for a bug report[/dim]",
    "posestream doctor --json",
)
CAMERA_EXAMPLES = _examples(
    "[dim]# two cameras, rtsp://127.0.0.1:8554/cam0 and /cam1[/dim]",
    "posestream camera walk.mp4 street.mp4",
    "[dim]# one that loses packets, stands still from second 10 to 13 and wants a login[/dim]",
    "posestream camera walk.mp4 --auth me:secret --fault drop:share=0.02 "
    "--fault stall:at=10,seconds=3",
)
CHECK_EXAMPLES = _examples(
    "posestream check site.yaml",
    "[dim]# on another machine than the daemon's[/dim]",
    "posestream check site.yaml --without-secrets",
)
SERVE_EXAMPLES = _examples(
    "posestream serve -c site.yaml",
    "[dim]# streams of the file that changed, and no other ones[/dim]",
    "kill -HUP PID",
)
VERSION_EXAMPLES = _examples("posestream version")

models_app = typer.Typer(
    no_args_is_help=True, help="The models that posestream can run.", epilog=MODELS_EXAMPLES
)
app.add_typer(models_app, name="models")
app.add_typer(batch_app, name="batch")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _complete_model(incomplete: str) -> list[str]:
    from engines.zoo_models import list_models

    return [model.name for model in list_models() if model.name.startswith(incomplete)]


def _print_version(value: bool) -> None:  # noqa: FBT001 - Typer's callback signature
    if value:
        version()
        raise typer.Exit


@app.callback()
def posestream(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Same as version."),
    ] = False,
) -> None:
    """The options before any command."""


@app.command(epilog=RUN_EXAMPLES)
def run(  # noqa: PLR0913 - one parameter for each option: Typer reads the signature
    source: Annotated[
        str,
        typer.Argument(
            help="A video file, a folder of pictures, rtsp://…, a webcam (/dev/video0), or "
            "[bold]demo[/bold].",
            show_default=False,
            metavar="SOURCE",
        ),
    ],
    *,
    model: ModelsOption = DEFAULT_MODEL,
    engine: EngineOption = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"],
        typer.Option(help="Arithmetic; auto takes the fastest that agrees with fp32 here."),
    ] = "auto",
    output: Annotated[
        list[str] | None,
        typer.Option(
            help="FILE.jsonl, - (standard output) or redis://HOST/DB; may be given several times.",
            show_default=False,
            metavar="WHERE",
        ),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option(help="Write the video with the people drawn in.", metavar="OUT.mp4"),
    ] = None,
    stride: Annotated[int, typer.Option(min=1, help="Infer every N-th frame.", metavar="N")] = 1,
    max_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after N frames.", show_default=False, metavar="N"),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Serve Prometheus metrics at this port.",
            show_default=False,
            metavar="PORT",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of the engine; all cores without it.", metavar="N"),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Frames in one call of the engine; without it 1 for cameras, for files as many as "
            "the engine works on at once.",
            show_default=False,
            metavar="N",
        ),
    ] = None,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Smooth the keypoints of each track (One Euro).")
    ] = False,
    detect_every: DetectEveryOption = 1,
    refine_below: RefineBelowOption = 1.0,
    refine_budget: RefineBudgetOption = None,
    decode: DecodeOption = DecodeWish.AUTO,
    runner: Annotated[
        Literal["inline", "concurrent"],
        typer.Option(help="One readable loop, or decoding beside inference; same results."),
    ] = "concurrent",
    allow_uncertified: Annotated[
        bool,
        typer.Option("--allow-uncertified", help="Run an engine that disagrees with fp32, too."),
    ] = False,
    cache: CacheOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Find and track the people in a video.

    Without --output and --annotate only the summary is shown; [bold]demo[/bold] then writes
    demo.jsonl and demo.mp4. Exit code: 0 done, 1 failed or interrupted, 2 wrong use.
    """
    from stream.commands.run_settings import RunSettings

    settings = RunSettings(
        source=source,
        model=model,
        engine=engine,
        precision=precision,
        outputs=tuple(output or ()),
        annotate=annotate,
        stride=stride,
        max_frames=max_frames,
        metrics_port=metrics_port,
        threads=threads,
        batch=batch,
        smooth=smooth,
        detect_every=detect_every,
        refine_below=refine_below,
        refine_budget_seconds=refine_budget,
        decode=decode,
        runner=runner,
        quiet=quiet,
        allow_uncertified=allow_uncertified,
        cache=cache,
    )
    with ctrl_c_ends_at_once():
        from stream.commands.run_command import run_command

        raise typer.Exit(run_command(settings))


@models_app.command("list", epilog=MODELS_EXAMPLES)
def list_(*, as_json: JsonFlag = False) -> None:
    """List the models that come with posestream."""
    from stream.commands.models import models_json, print_models

    typer.echo(models_json()) if as_json else print_models()


@models_app.command(epilog=MODELS_EXAMPLES)
def show(
    name: Annotated[
        str,
        typer.Argument(
            help="Name or folder of a model.", autocompletion=_complete_model, metavar="NAME"
        ),
    ],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Show what a model is, how it was trained and how well it does."""
    from stream.commands.models import model_json, print_model

    typer.echo(model_json(name)) if as_json else print_model(name)


@app.command(epilog=DOCTOR_EXAMPLES)
def doctor(*, as_json: JsonFlag = False) -> None:
    """Tell what this machine can do, what is missing and how to mend it (about 5 seconds).

    Exit code 1 if posestream cannot run here.
    """
    from stream.commands.doctor import doctor_command

    raise typer.Exit(doctor_command(as_json=as_json))


@app.command(epilog=CAMERA_EXAMPLES)
def camera(  # noqa: PLR0913 - one parameter for each option: Typer reads the signature
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Videos in H.264 or H.265; each becomes one camera: cam0, cam1 and so on.",
            show_default=False,
            metavar="FILE",
        ),
    ],
    *,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")
    ] = 8554,
    auth: Annotated[
        str | None,
        typer.Option(
            envvar="POSESTREAM_CAMERA_AUTH",
            help="Login that readers need (digest).",
            show_default=False,
            metavar="USER:PASSWORD",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="What goes wrong: drop:share=S · damage:share=S · stall:at=T,seconds=D · "
            "jump:at=T,seconds=D · disconnect:at=T · switch:to=FILE\\[,at=T] · half-open · "
            "wrong-auth; with on=cam0 for one camera, first=N for its first N connections. "
            "May be given several times.",
            show_default=False,
            metavar="SPEC",
        ),
    ] = None,
    transport: Annotated[
        Literal["any", "tcp", "udp"], typer.Option(help="Which ways for packets it has.")
    ] = "any",
    seed: Annotated[int, typer.Option(help="The same seed gives the same faults.")] = 0,
) -> None:
    """Serve videos as RTSP cameras, round and round, with faults on demand.

    For trying things out and for tests. Prints the addresses; Ctrl-C ends it.
    """
    from stream.camera.digest import parse_login
    from stream.camera.settings import CameraSettings
    from stream.camera.transport_header import Offered
    from stream.commands.camera import camera_command

    login = None if auth is None else parse_login(auth)
    settings = CameraSettings(
        host=host, port=port, login=login, seed=seed, offered=Offered(transport)
    )
    raise typer.Exit(camera_command(files, fault or [], settings))


@app.command(epilog=SERVE_EXAMPLES)
def serve(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="A site file (YAML).", metavar="SITE")
    ],
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Read many cameras for as long as it runs, find and track the people in them.

    SIGHUP reads the site file again. Ctrl-C or SIGTERM ends it within 5 seconds. Exit code: 0 ended
    in good order, 1 failed, 2 wrong use.
    """
    from stream.commands.serve import serve_command

    raise typer.Exit(serve_command(config, verbose=verbose))


@app.command(epilog=CHECK_EXAMPLES)
def check(
    file: Annotated[Path, typer.Argument(help="A site file (YAML).", metavar="SITE")],
    *,
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="Do not look for the secrets it refers to.")
    ] = False,
) -> None:
    """Tell everything that is wrong with a site file, with its line.

    Exit code: 0 good, 2 wrong.
    """
    from stream.commands.check_site import check_command

    raise typer.Exit(check_command(file, secrets=not without_secrets))


@app.command(epilog=VERSION_EXAMPLES)
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed_version

    typer.echo(f"posestream {installed_version('posestream')}")


app.command("certify", epilog=CERTIFY_EXAMPLES)(certify_model)
app.command("bench", epilog=BENCH_EXAMPLES)(bench_model)
add_builder_commands({(): app, ("models",): models_app})
