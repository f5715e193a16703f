"""`posestream eval`: the options."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from builders.evaluation.eval_run import run_evaluation
from builders.evaluation.eval_settings import EvalSettings
from builders.evaluation.labels import LabelledSet
from builders.evaluation.pck import PckScale
from builders.evaluation.systems import EngineChoice, SystemChoice, parse_system
from engines.engine import Precision
from engines.open_engine import EngineName
from stream.clock import SystemClock

EXAMPLES = "\n".join((
    "[bold]Examples[/bold]",
    "[dim]# COCO's figures of a model that came along[/dim]",
    "posestream eval bottom_up --annotations labels.json --images pictures",
    "[dim]# where it loses, as tables, data and a picture[/dim]",
    "posestream eval bottom_up --annotations labels.json --images pictures "
    "--errors --json figures.json --plot errors.png",
    "[dim]# a top-down model in the labelled boxes, as papers test it[/dim]",
    "posestream eval truth+MODEL --annotations labels.json --images pictures --flip",
))  # fmt: skip

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(name="eval", epilog=EXAMPLES)
def evaluate_command(  # noqa: PLR0913 - one parameter for each option: Typer reads the signature
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|CASCADE",
            help="Name or folder of a model, or of several with + between: truth+MODEL or "
            "DETECTOR+MODEL.",
            show_default=False,
        ),
    ],
    *,
    annotations: Annotated[
        Path, typer.Option(help="Labels in COCO's format.", metavar="COCO.json")
    ],
    images: Annotated[
        Path, typer.Option(help="Folder that `file_name` starts from.", metavar="DIR")
    ],
    engine: Annotated[
        EngineName, typer.Option(help="What runs the model; auto takes the fastest that works.")
    ] = EngineName.AUTO,
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"],
        typer.Option(help="Arithmetic; auto takes the fastest the engine has here."),
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of the engine; all cores without it.", metavar="N"),
    ] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="Show the mirror image too and merge: twice as slow.")
    ] = False,
    boxes: Annotated[
        str | None,
        typer.Option(
            help="Boxes of a top-down model: truth, a file of COCO results (.json), or a detector.",
            show_default=False,
            metavar="truth|FILE|DETECTOR",
        ),
    ] = None,
    errors: Annotated[
        bool,
        typer.Option("--errors", help="Tell jitter, inversion, swap, miss, false people apart."),
    ] = False,
    crowd: Annotated[
        bool, typer.Option("--crowd", help="AP by crowd level, as CrowdPose reports it.")
    ] = False,
    pck: Annotated[
        PckScale | None,
        typer.Option(
            help="Joints within a share of the torso, the box or the head.", show_default=False
        ),
    ] = None,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", help="Write all figures.", show_default=False, metavar="OUT"),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the errors.", show_default=False, metavar="OUT.png"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Measure a model on labelled pictures: COCO's AP and AR, and where it loses.

    Poses are compared with keypoints, a detector's boxes with boxes. `seconds` is the time spent
    finding people, without reading pictures and opening engines.
    """
    models, boxes_from = parse_system(model, boxes)
    arithmetic = None if precision == "auto" else Precision(precision)
    settings = EvalSettings(
        system=SystemChoice(models, boxes_from, flip, EngineChoice(engine, arithmetic, threads)),
        labelled=LabelledSet(annotations, images),
        errors=errors,
        crowd=crowd,
        pck=pck,
        json_path=json_path,
        plot_path=plot,
        quiet=quiet,
    )
    run_evaluation(settings, Console(), Console(stderr=True, quiet=quiet), SystemClock())
