"""`posestream models`: what can be run."""

import json

from rich.console import Console
from rich.table import Table

from engines.artefact import Manifest
from engines.zoo_models import SHORT_NAMES, find_model, list_models

BYTES_PER_MB = 1_000_000


def models_json() -> str:
    """All manifests of the zoo, a JSON list."""
    return json.dumps([model.model_dump(mode="json") for model in list_models()], indent=2)


def model_json(name: str) -> str:
    """One manifest.

    Raises:
        ArtefactError: if there is no such model, or it is not whole.
    """
    return find_model(name).manifest.model_dump_json(indent=2)


def print_models() -> None:
    """The zoo as a table on standard output."""
    table = Table("name", "description", "canvases (px)", "licence")
    for model in list_models():
        table.add_row(model.name, model.description, _canvases(model), model.licence)
    Console().print(table)
    for short, models in SHORT_NAMES.items():
        Console().print(f"--model {short}: {models}")


def print_model(name: str) -> None:
    """One model as a table on standard output.

    Raises:
        ArtefactError: if there is no such model, or it is not whole.
    """
    artefact = find_model(name)
    model = artefact.manifest
    table = Table(show_header=False, title=model.name, title_justify="left")
    size_mb = artefact.onnx_path.stat().st_size / BYTES_PER_MB
    rows = {
        "description": model.description,
        "skeleton": model.skeleton,
        "canvases (px)": _canvases(model),
        "a person from score": f"{model.thresholds.min_score:g}",
        "licence": model.licence,
        "graph": f"{artefact.onnx_path} ({size_mb:.1f} MB)",
        **{f"trained: {key}": value for key, value in model.training.items()},
        **{f"measured: {key}": f"{value:.3f}" for key, value in model.accuracy.items()},
    }
    for row in rows.items():
        table.add_row(*row)
    Console().print(table)


def _canvases(model: Manifest) -> str:
    return ", ".join(f"{width}x{height}" for width, height in model.canvases if width) or "none"
