"""Measures an engine beside the reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from engines.artefact import Artefact
from engines.certification.agreement import Candidates, compare
from engines.certification.candidates import find_candidates, least_score, sigmas_of
from engines.certification.certificate import Certificate, judge, key_of
from engines.certification.picture_set import DRAWN, PictureSet
from engines.certification.probe import batch_of, probe_inputs
from engines.certification.reference import Reference, read_reference
from engines.engine import Engine, Precision, Tensors
from engines.onnxruntime_engine import open_onnxruntime
from engines.openvino_engine import open_openvino
from stream.clock import Clock
from stream.errors import EngineError

LATENCY_CALLS = 3

FindReference = Callable[[PictureSet, tuple[int, int]], Reference]
"""The reference's people of a picture set on a canvas (width, height)."""


@dataclass(frozen=True, slots=True)
class ReferenceFinder:
    """Takes what is recorded with the model, else asks ONNX Runtime, else OpenVINO, in fp32."""

    artefact: Artefact

    def __call__(self, pictures: PictureSet, canvas: tuple[int, int]) -> Reference:
        """See `FindReference`.

        Raises:
            EngineError: if no fp32 engine opens here.
        """
        artefact = self.artefact
        known = None
        if pictures.name == DRAWN:
            sha256 = artefact.manifest.onnx_sha256
            known = read_reference(artefact.folder, sha256, pictures.name, canvas)
        return known or self._found_here(pictures, canvas)

    def _found_here(self, pictures: PictureSet, canvas: tuple[int, int]) -> Reference:
        engine = self._fp32_engine(canvas)
        try:
            people = find_candidates(engine, self.artefact.manifest, pictures)
        finally:
            engine.close()
        return Reference(f"{engine.spec.engine} {engine.spec.version} fp32", people)

    def _fp32_engine(self, canvas: tuple[int, int]) -> Engine:
        try:
            return open_onnxruntime(self.artefact, canvas=canvas)
        except EngineError:  # not installed: the other fp32 backend says the same
            return open_openvino(self.artefact, canvas=canvas, precision=Precision.FP32)


def certify(
    engines: Sequence[Engine],
    artefact: Artefact,
    pictures: PictureSet,
    find_reference: FindReference,
    clock: Clock,
) -> Certificate:
    """Measures one engine on one canvas or several.

    Args:
        engines: the same engine, opened for one canvas each.
        artefact: the model.
        pictures: to compare on.
        find_reference: gives the people to compare with.
        clock: measures the latency.

    Raises:
        EngineError: if an engine fails.
    """
    expected: list[Candidates] = []
    found: list[Candidates] = []
    found_by = []
    for engine in engines:
        reference = find_reference(pictures, engine.spec.canvas)
        found_by.append(reference.found_by)
        expected.extend(reference.people)
        found.extend(find_candidates(engine, artefact.manifest, pictures))
    agreement = compare(
        expected,
        found,
        min_score=least_score(artefact.manifest),
        sigmas=sigmas_of(artefact.manifest),
    )
    inputs = probe_inputs(artefact.manifest, pictures, engines[0].spec.canvas)
    spec, limits = engines[0].spec, artefact.manifest.agreement_limits
    verdict, reasons = judge(agreement, limits)
    return Certificate(
        model=artefact.manifest.name,
        key=key_of(spec, artefact.manifest.onnx_sha256),
        engine_version=spec.version,
        device=spec.device,
        pictures=pictures.name,
        canvases=tuple(engine.spec.canvas for engine in engines),
        reference=", ".join(sorted(set(found_by))),
        agreement=agreement.as_json(),
        limits=limits,
        verdict=verdict,
        reasons=reasons,
        latency_ms={
            str(batch): _latency_ms(engines[0], inputs, batch, clock) for batch in spec.batches
        },
    )


def _latency_ms(engine: Engine, inputs: Tensors, batch: int, clock: Clock) -> float:
    """Median of a few calls with rows of the set, over and over if the batch is larger."""
    rows = batch_of(inputs, batch)
    spent = []
    for _ in range(LATENCY_CALLS):
        start = clock.monotonic()
        engine.infer(rows)
        spent.append(clock.monotonic() - start)
    return round(1000 * median(spent), 3)
