"""`posestream models import`: published weights to a checkpoint of ours, and to a model folder."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch

from builders.export import weights_digest
from builders.importing.checkpoint_file import PublishedWeights, read_weights, source_file
from builders.importing.import_targets import ImportTarget, import_targets
from builders.importing.strict_load import Loaded, load_strictly
from builders.model_folder import write_model
from builders.paper_networks import PaperNetwork
from stream.errors import ArtefactError, ConfigError

CANVAS_SHAPES = (4 / 3, 16 / 9)
CANVAS_STEP = 64
POSE_THRESHOLDS: Mapping[str, float] = {"min_score": 0.1, "nms_oks": 0.6}
SMPR_THRESHOLDS: Mapping[str, float] = {"min_score": 0.05, "soft_nms_iou": 0.3}
"""Not chosen on validation data, unlike those of the models that come along."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was imported from what; the JSON beside the checkpoint."""

    network: str
    description: str
    parameters: int
    checkpoint: str
    checkpoint_sha256: str
    weights_sha256: str
    read_as: str
    channel_order: str
    """Of the pictures that the weights were trained with."""
    licence: str
    container: str
    source: list[dict[str, Any]]
    left_out: list[str] = field(default_factory=list)
    untrained: list[str] = field(default_factory=list)
    """Beginnings of names that keep their starting weights: to be trained."""
    notes: list[str] = field(default_factory=list)


def import_model(
    file: Path, network: str, out: Path | None, *, overwrite: bool = False
) -> ImportReport:
    """Reads, checks and converts published weights.

    Writes `NETWORK.pt` and `NETWORK.json` to the folder `out`, or to the present one; with `out`
    and a network that takes canvases also `model.onnx` and `manifest.json`. Nothing is written
    before the weights have been found to fit.

    Args:
        file: `.pth`, `.pth.tar`, or a TensorFlow checkpoint.
        network: name of an import target.
        out: a folder, made if missing.
        overwrite: replace files that are there.

    Raises:
        ConfigError: if there is no such network.
        ArtefactError: if the file cannot be used, or a file would be overwritten.
    """
    target = known_target(network)
    folder = out or Path()
    checkpoint, about = folder / f"{network}.pt", folder / f"{network}.json"
    _refuse_to_replace((checkpoint, about), overwrite=overwrite)
    weights = read_weights(file)
    loaded = load_strictly(network, weights.state, str(file))
    _made(folder)
    _written(checkpoint, lambda path: torch.save(loaded.network.state_dict(), path))
    report = _report(network, target, weights, loaded, checkpoint)
    text = json.dumps(asdict(report), indent=2) + "\n"
    _written(about, lambda path: path.write_text(text, "utf-8"))
    if out is not None and has_exporter(target) and not report.untrained:
        _export(target, loaded, report, folder)
    return report


def known_target(network: str) -> ImportTarget:
    """The target of that name.

    Raises:
        ConfigError: if there is none; suggests the nearest.
    """
    targets = import_targets()
    if network not in targets:
        near = get_close_matches(network, targets, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(
            f"no network {network!r} to import as; {hint}known: {', '.join(sorted(targets))}"
        )
    return targets[network]


def has_exporter(target: ImportTarget) -> bool:
    """Whether a model folder can hold the network: those that take canvases, so far."""
    return target.paper is not None and target.paper.form == "one_pass"


def _report(
    network: str,
    target: ImportTarget,
    weights: PublishedWeights,
    loaded: Loaded,
    checkpoint: Path,
) -> ImportReport:
    module, form = loaded.network, loaded.format
    return ImportReport(
        network=network,
        description=target.paper.description if target.paper else "a part, to start from",
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        checkpoint=checkpoint.name,
        checkpoint_sha256=source_file(checkpoint).sha256,
        weights_sha256=weights_digest(module),
        read_as=form.name,
        channel_order=form.order.name,
        licence=form.licence,
        container=weights.container,
        source=[asdict(each) for each in weights.files],
        left_out=sorted(loaded.translated.left_out),
        untrained=list(form.untrained),
        notes=list(loaded.translated.notes),
    )


def _export(target: ImportTarget, loaded: Loaded, report: ImportReport, folder: Path) -> None:
    paper = target.paper
    if paper is None:
        return
    about = {
        "name": report.network,
        "description": f"{paper.description}; imported weights.",
        "canvases": canvases(paper),
        "thresholds": SMPR_THRESHOLDS if report.network.startswith("smpr") else POSE_THRESHOLDS,
        "licence": report.licence,
        "training": {
            "imported from": ", ".join(each["name"] for each in report.source),
            "sha256": ", ".join(each["sha256"] for each in report.source),
        },
        "accuracy": {},
    }
    graph = paper.graph(loaded.network, loaded.format.order)
    write_model(graph, "one_pass", folder, about)


def canvases(paper: PaperNetwork) -> list[tuple[int, int]]:
    """(width, height) in both directions with the paper's shorter side, 4:3 and 16:9."""
    short = min(paper.picture_px)
    longs = [-(-int(short * shape) // CANVAS_STEP) * CANVAS_STEP for shape in CANVAS_SHAPES]
    return [size for long in longs for size in ((long, short), (short, long))]


def _refuse_to_replace(paths: tuple[Path, ...], *, overwrite: bool) -> None:
    there = [str(path) for path in paths if path.exists()]
    if there and not overwrite:
        raise ArtefactError(
            f"{' and '.join(there)} would be replaced; add --overwrite or choose another --out"
        )


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtefactError(f"cannot make folder {folder}: {error.strerror}") from error


def _written(path: Path, write: Callable[[Path], object]) -> None:
    """Gives a file its name only when it is whole."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        write(partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise ArtefactError(f"cannot write {path}: {error}") from error
