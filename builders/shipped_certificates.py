"""`python -m builders.shipped_certificates`: what a model's folder says of its engines.

Records the people that fp32 finds among the drawn ones (`reference.json`), and measures the
default engines on this machine's processor (`certificates/`). Run it whenever a model's graph
changes; other processors measure themselves at their first run.
"""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from builders.torch_program import torch_twin
from engines.artefact import Artefact, load_artefact
from engines.bucket_engine import BucketEngine
from engines.certification.agreement import Candidates, compare
from engines.certification.candidates import find_candidates, least_score, sigmas_of
from engines.certification.certify import ReferenceFinder, certify
from engines.certification.picture_set import PictureSet, drawn_set, folder_set
from engines.certification.reference import (
    REFERENCE_NAME,
    RecordedReference,
    canvas_name,
    recorded,
    write_reference,
)
from engines.certification.shelf import FOLDER_NAME, write_certificate
from engines.engine import EngineSpec, Precision, Tensors
from engines.onnxruntime_engine import open_onnxruntime
from engines.open_engine import EngineName, open_engine
from engines.openvino_engine import openvino_precisions
from stream.clock import SystemClock
from stream.errors import EngineError

Canvas = tuple[int, int]


def record_reference(artefact: Artefact, pictures: PictureSet) -> RecordedReference:
    """The people of ONNX Runtime in fp32, and how far torch's are from them."""
    people: dict[str, list[Candidates]] = {}
    version = ""
    for canvas in artefact.manifest.canvases:
        with closing(open_onnxruntime(artefact, canvas=canvas)) as engine:
            version = engine.spec.version
            people[canvas_name(canvas)] = find_candidates(engine, artefact.manifest, pictures)
    return RecordedReference(
        onnx_sha256=artefact.manifest.onnx_sha256,
        found_by=f"onnxruntime {version} fp32",
        also=_torch_differences(artefact, pictures, people),
        pictures=pictures.name,
        people={name: recorded(found) for name, found in people.items()},
    )


def _torch_differences(
    artefact: Artefact, pictures: PictureSet, people: dict[str, list[Candidates]]
) -> dict[str, float]:
    """`torch VERSION fp32 CANVAS` -> its worst joint's distance in canvas pixels, where it runs."""
    differences = {}
    for canvas in artefact.manifest.canvases:
        try:
            name, found = _torch_people(artefact, canvas, pictures)
        except EngineError as error:
            typer.echo(f"torch at {canvas_name(canvas)}: {error}")
            continue
        agreement = compare(
            people[canvas_name(canvas)],
            found,
            min_score=least_score(artefact.manifest),
            sigmas=sigmas_of(artefact.manifest),
        )
        differences[f"{name} {canvas_name(canvas)}"] = round(agreement.worst_px, 4)
    return differences


def _torch_people(
    artefact: Artefact, canvas: Canvas, pictures: PictureSet
) -> tuple[str, list[Candidates]]:
    import torch  # noqa: PLC0415 - only the difference needs it

    twin = torch_twin(artefact)
    names = [spec.name for spec in artefact.manifest.inputs]

    def run(inputs: Tensors) -> dict[str, np.ndarray]:
        try:
            with torch.inference_mode():
                outputs = twin(*(torch.from_numpy(np.asarray(inputs[name])) for name in names))
        except RuntimeError as error:
            raise EngineError(str(error)) from error
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    version = torch.__version__.partition("+")[0]
    name = artefact.manifest.name
    spec = EngineSpec("torch", version, name, Precision.FP32, 1, canvas)
    engine = BucketEngine(spec, artefact.manifest, run)
    return f"torch {version} fp32", find_candidates(engine, artefact.manifest, pictures)


def main(
    folder: Annotated[Path, typer.Argument(help="A model's folder.")],
    pictures: Annotated[
        Path | None, typer.Option(help="Real pictures to certify with; the drawn ones without.")
    ] = None,
) -> None:
    """Writes `reference.json` and `certificates/` into a model's folder."""
    artefact = load_artefact(folder)
    write_reference(record_reference(artefact, drawn_set()), folder)
    typer.echo(f"wrote {folder / REFERENCE_NAME}")
    wanted = [(EngineName.OPENVINO, precision) for precision in openvino_precisions()]
    chosen = folder_set(pictures) if pictures else drawn_set()
    for engine, precision in (*wanted, (EngineName.ONNXRUNTIME, Precision.FP32)):
        engines = [
            open_engine(artefact, engine=engine, canvas=canvas, precision=precision)
            for canvas in artefact.manifest.canvases
        ]
        certificate = certify(engines, artefact, chosen, ReferenceFinder(artefact), SystemClock())
        write_certificate(certificate, folder / FOLDER_NAME)
        typer.echo(certificate.in_words)


if __name__ == "__main__":
    typer.run(main)
