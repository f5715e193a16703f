"""Builds the engines of a model into the store, and certifies what this machine can run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builders.calibration import Calibration, new_calibration
from builders.tensorrt_build import PlanRequest, build_plan
from engines.artefact import Artefact
from engines.certification.certificate import Certificate
from engines.certification.certify import ReferenceFinder, certify
from engines.certification.picture_set import PictureSet, drawn_set
from engines.certification.shelf import CertificateShelf
from engines.engine import Engine, Precision
from engines.engine_options import EngineOptions
from engines.engine_store import BuildKey, EngineStore, WriteFiles
from engines.nvidia_driver import first_gpu
from engines.open_engine import EngineName, file_batch, open_engine
from engines.openvino_engine import build_openvino, quantised_key
from engines.tensorrt_backend import (
    Backend,
    Capability,
    Flavour,
    capability_target,
    load_backend,
)
from engines.tensorrt_engine import PLAN_NAME, plan_key
from engines.torch_engine import PROGRAM_NAME, program_key
from stream.clock import Clock
from stream.errors import ConfigError, EngineError

Say = Callable[[str], None]
Canvas = tuple[int, int]


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """What the user asked for."""

    artefact: Artefact
    engine: EngineName
    precision: Precision | None
    """None for the best that needs no calibration."""
    batches: tuple[int, ...]
    targets: tuple[Capability, ...]
    """Compute capabilities; none for this machine's GPU."""
    pictures: PictureSet | None
    """Real ones, to calibrate and certify with; the drawn people certify without."""
    rebuild: bool
    """Even if it is in the store."""


class EngineBuilder:
    """One build: tells each step, why, and how long it took."""

    def __init__(self, order: BuildOrder, store: EngineStore, clock: Clock, say: Say) -> None:
        self._order = order
        self._store = store
        self._clock = clock
        self._say = say

    def build(self) -> Certificate | None:
        """Builds for every canvas; the certificate if this machine can run the outcome.

        Raises:
            EngineError: if a backend refuses, or the certificate fails.
            ConfigError: if pictures are needed and missing.
        """
        steps = {
            EngineName.OPENVINO: self._build_openvino,
            EngineName.TORCH: self._build_torch,
            EngineName.ONNXRUNTIME: self._build_nothing,
            EngineName.TENSORRT: self._build_tensorrt,
            EngineName.TENSORRT_RTX: self._build_tensorrt,
        }
        steps[self._order.engine]()
        return self._certify()

    def _build_openvino(self) -> None:
        order = self._order
        if order.precision is Precision.INT8:
            self._stored(quantised_key(order.artefact), "int8 graph", self._write_int8)
        for canvas in order.artefact.manifest.canvases:
            with self._timed(f"compiled for {_words(canvas)}: the next start need not") as told:
                # What runs of files ask for too: they let it work on several pictures at once.
                batches = (*order.batches, file_batch(EngineName.OPENVINO, None))
                options = EngineOptions(batches, self._store)
                if not build_openvino(
                    order.artefact, canvas=canvas, precision=order.precision, options=options
                ):
                    told.append("was in the store")

    def _write_int8(self, folder: Path) -> dict[str, str]:
        from builders.openvino_int8 import write_int8_graph  # noqa: PLC0415 - needs the extra build

        calibration = self._calibration()
        if calibration is None:
            raise ConfigError(
                "int8 needs pictures to learn ranges from: give real ones with --pictures DIR"
            )
        choice = write_int8_graph(calibration, folder, self._say)
        return {
            "pictures": calibration.judged.name,
            "layers": str(len(choice.quantised)),
            "kept_higher": " ".join(choice.kept_higher),
            "mean_oks": f"{choice.agreement.mean_oks:.4f}",
        }

    def _build_torch(self) -> None:
        from builders.torch_program import write_program  # noqa: PLC0415 - needs the extra train

        artefact = self._order.artefact
        for canvas in artefact.manifest.canvases:

            def write(folder: Path, canvas: Canvas = canvas) -> dict[str, str]:
                write_program(artefact, canvas, folder / PROGRAM_NAME)
                return {}

            self._stored(program_key(artefact, canvas), f"program for {_words(canvas)}", write)

    def _build_nothing(self) -> None:
        self._say("onnxruntime runs model.onnx as it is: nothing to build")

    def _build_tensorrt(self) -> None:
        from builders.graph_precision import graph_in_precision  # noqa: PLC0415 - the extra build

        order = self._order
        backend = load_backend(Flavour(order.engine))
        targets = self._targets(backend)
        precision = order.precision or Precision.FP16
        contents = graph_in_precision(order.artefact, precision, self._calibration(), self._say)
        for target, capability in targets.items():
            for canvas in order.artefact.manifest.canvases:
                shape = (canvas, order.batches)
                key = plan_key(backend, order.artefact, target, precision, shape)
                request = PlanRequest(
                    contents,
                    order.artefact.manifest,
                    canvas,
                    order.batches,
                    precision,
                    capability,
                    self._store.root / "timing" / f"{backend.version}.cache",
                )
                self._stored(
                    key, f"plan for {target}, {_words(canvas)}", self._plan_writer(backend, request)
                )

    def _plan_writer(self, backend: Backend, request: PlanRequest) -> WriteFiles:
        def write(folder: Path) -> dict[str, str]:
            plan = build_plan(backend, request, self._say)
            (folder / PLAN_NAME).write_bytes(plan.contents)
            (folder / "model.onnx").write_bytes(request.onnx)
            return {
                "inputs": ", ".join(map(str, plan.inputs)),
                "outputs": ", ".join(map(str, plan.outputs)),
                "warnings": "; ".join(sorted(set(plan.warnings))),
            }

        return write

    def _targets(self, backend: Backend) -> dict[str, Capability | None]:
        """What the store calls each target -> the capability to build for."""
        wanted = self._order.targets
        if wanted:
            return {capability_target(one): one for one in wanted}
        try:
            gpu = first_gpu()
        except EngineError as error:
            if backend.needs_gpu_to_build:
                raise
            raise EngineError(
                f"{error}; tensorrt_rtx builds without one for what you name: --target 8.6,8.9"
            ) from error
        rtx = backend.flavour is Flavour.TENSORRT_RTX
        return {backend.target_of(gpu): gpu.capability if rtx else None}

    def _calibration(self) -> Calibration | None:
        order = self._order
        if order.precision not in (Precision.INT8, Precision.FP8) or order.pictures is None:
            return None
        with self._timed("people of the fp32 reference, to judge every choice of layers by"):
            return new_calibration(order.artefact, order.pictures)

    def _stored(self, key: BuildKey, what: str, write: WriteFiles) -> None:
        if self._order.rebuild:
            self._store.remove(key)
        with self._timed(what) as told:
            if self._store.find(key):
                told.append("was in the store")
            else:
                self._store.build(key, write)

    def _certify(self) -> Certificate | None:
        order = self._order
        with self._timed("certificate: people beside those of the fp32 reference") as told:
            engines = self._open()
            if not engines:
                told.append("this machine cannot run it; the first run on its GPU measures it")
                return None
            try:
                pictures = order.pictures or drawn_set()
                finder = ReferenceFinder(order.artefact)
                found = certify(engines, order.artefact, pictures, finder, self._clock)
            finally:
                for engine in engines:
                    engine.close()
        CertificateShelf(self._store.root).keep(found)
        self._say(found.in_words)
        return found

    def _open(self) -> list[Engine]:
        """The engine for every canvas; none where its target is another machine."""
        order = self._order
        if order.targets or order.engine in (EngineName.TENSORRT, EngineName.TENSORRT_RTX):
            try:
                gpu = first_gpu()
            except EngineError:
                return []  # nothing is wrong: it was built for another machine, and this is said
            if order.targets and gpu.capability not in order.targets:
                return []
        return [
            open_engine(
                order.artefact,
                engine=order.engine,
                canvas=canvas,
                precision=order.precision,
                options=EngineOptions(order.batches, self._store),
            )
            for canvas in order.artefact.manifest.canvases
        ]

    @contextmanager
    def _timed(self, what: str) -> Iterator[list[str]]:
        """Says what was done and how long it took, or what the block has to say instead."""
        told: list[str] = []
        start = self._clock.monotonic()
        yield told
        spent = f"{self._clock.monotonic() - start:.1f} s"
        self._say(f"{what} ({', '.join(told) or spent})")


def _words(canvas: Canvas) -> str:
    return f"{canvas[0]}x{canvas[1]}"
