"""`posestream models import`: published weights to ours."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from builders.importing.import_command import ImportReport, has_exporter, import_model, known_target

EXAMPLES = "\n".join((
    "[bold]Examples[/bold]",
    "posestream models import dekr_hrnet-w32_…_ac7c17bf-20221228.pth --as dekr_w32 --out dekr",
    "[dim]# PoseFix in TensorFlow: any of its files; TensorFlow itself is not needed[/dim]",
    "posestream models import snapshot_140.ckpt.index --as posefix_r152",
    "[dim]# a heatmap network to start Graph-PCNN from[/dim]",
    "posestream models import pose_hrnet_w32_256x192.pth --as graph_pcnn_hrnet_w32",
))  # fmt: skip

app = typer.Typer(add_completion=False)


@app.command(name="import", epilog=EXAMPLES)
def import_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="A .pth, .pth.tar or TensorFlow checkpoint.", show_default=False, metavar="FILE"
        ),
    ],
    *,
    network: Annotated[
        str,
        typer.Option(
            "--as", help="What the weights are of; a wrong name lists all.", metavar="NETWORK"
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the checkpoint and, of networks that take whole pictures, the model.",
            show_default=False,
            metavar="DIR",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Turn published weights into a checkpoint with our key names.

    Everything must fit: every missing or unexpected entry and every wrong shape is named. Files
    that hold more than data are refused. Writes NETWORK.pt and NETWORK.json.
    """
    report = import_model(file, network, out, overwrite=overwrite)
    typer.echo(json.dumps(asdict(report)) if as_json else _told(report, out))


def _told(report: ImportReport, out: Path | None) -> str:
    folder = out or Path()
    lines = [
        f"{folder / report.checkpoint}: {report.description}, {report.parameters:,} parameters",
        f"read as: {report.read_as}; {report.container}; licence {report.licence}",
        *report.notes,
    ]
    if report.left_out:
        lines.append(f"left out on purpose: {len(report.left_out)} entries, named in the JSON")
    if report.untrained:
        lines.append(f"still to be trained: {', '.join(report.untrained)}")
    if out is not None and not report.untrained:
        exported = has_exporter(known_target(report.network))
        lines.append(
            f"model folder: {folder} (thresholds are not tuned: see posestream eval)"
            if exported
            else "no model folder: folders hold networks that take whole pictures, so far"
        )
    return "\n".join(lines)
