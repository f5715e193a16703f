"""Opens an engine that agrees with the reference; steps down, or refuses, out loud.

A certificate is looked for with the model and in the user's store. Where there is none (another
version of the engine, another kind of processor, a model of the user's own), the engine is measured
on the drawn people that come along, a fraction of a second, and the certificate is kept.

What was asked for by name is never replaced: it opens or is refused. Where posestream chooses, it
goes down `LADDER` until a precision holds the limits. fp32 is the ground: it may also be
inconclusive (a model that finds nobody among the drawn people), but it may not fail.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from engines.artefact import Artefact
from engines.certification.certificate import Certificate, Judgement, key_of
from engines.certification.certify import ReferenceFinder, certify
from engines.certification.picture_set import drawn_set
from engines.certification.shelf import CertificateShelf
from engines.engine import Engine, Precision
from engines.engine_options import DEFAULT_OPTIONS, EngineOptions
from engines.open_engine import EngineName, open_engine
from stream.clock import Clock
from stream.errors import EngineError

log = logging.getLogger(__name__)

LADDER = (Precision.FP8, Precision.INT8, Precision.FP16, Precision.BF16, Precision.FP32)
"""From the fastest down to what the reference is."""


@dataclass(frozen=True, slots=True)
class StepDown:
    """Something better was there and could not be trusted."""

    model: str
    engine: str
    refused: Precision
    reason: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What to open."""

    artefact: Artefact
    canvas: tuple[int, int]
    engine: EngineName = EngineName.AUTO
    threads: int | None = None
    precision: Precision | None = None
    """None lets posestream choose."""
    options: EngineOptions = DEFAULT_OPTIONS


def _tell_nobody(_step: StepDown) -> None:
    """For callers who only log."""


class EngineTrust:
    """Decides which engines may run.

    Args:
        clock: measures latencies that stand in certificates.
        shelf: where certificates are found and kept.
        allow_uncertified: opens what fails too; `engine_uncertified` is logged.
        on_step_down: told of each step, besides the log line `engine_stepped_down`.
    """

    def __init__(
        self,
        clock: Clock,
        shelf: CertificateShelf,
        *,
        allow_uncertified: bool = False,
        on_step_down: Callable[[StepDown], None] = _tell_nobody,
    ) -> None:
        self._clock = clock
        self._shelf = shelf
        self._allow_uncertified = allow_uncertified
        self._on_step_down = on_step_down

    def open(self, wish: Wish) -> Engine:
        """An engine, warm, whose certificate holds.

        Raises:
            EngineError: if none opens, or what was asked for does not agree with the reference.
            ConfigError: if `threads` is out of range.
        """
        engine = self._open(wish, wish.precision)
        if self._trusted(engine, wish):
            return engine
        certificate = self.certificate(engine, wish.artefact)
        engine.close()
        lower = None if wish.precision else self._open_lower(certificate, wish)
        if lower is None:
            _refuse(certificate)
        return lower

    def certificate(self, engine: Engine, artefact: Artefact) -> Certificate:
        """Of an open engine; measured now if there is none."""
        key = key_of(engine.spec, artefact.manifest.onnx_sha256)
        known = self._shelf.find(artefact, key)
        if known is not None:
            return known
        found = certify([engine], artefact, drawn_set(), ReferenceFinder(artefact), self._clock)
        log.info("engine_certified", extra={"certificate": found.in_words})
        self._shelf.keep(found)
        return found

    def _trusted(self, engine: Engine, wish: Wish) -> bool:
        certificate = self.certificate(engine, wish.artefact)
        if certificate.verdict is Judgement.PASSED:
            return True
        ground = engine.spec.precision is Precision.FP32
        if ground and certificate.verdict is Judgement.INCONCLUSIVE:
            return True
        if self._allow_uncertified:
            extra = {"certificate": certificate.in_words, "reason": "; ".join(certificate.reasons)}
            log.warning("engine_uncertified", extra=extra)
        return self._allow_uncertified

    def _open_lower(self, refused: Certificate, wish: Wish) -> Engine | None:
        """The first precision below that this engine has and that holds its limits."""
        self._step_down(refused)
        name = EngineName(refused.key.engine)
        for precision in LADDER[LADDER.index(refused.key.precision) + 1 :]:
            try:
                engine = self._open(replace(wish, engine=name), precision)
            except EngineError:  # this engine or processor lacks it: on to the next
                continue
            if self._trusted(engine, wish):
                return engine
            self._step_down(self.certificate(engine, wish.artefact))
            engine.close()
        return None

    def _open(self, wish: Wish, precision: Precision | None) -> Engine:
        return open_engine(
            wish.artefact,
            engine=wish.engine,
            canvas=wish.canvas,
            threads=wish.threads,
            precision=precision,
            options=wish.options,
        )

    def _step_down(self, certificate: Certificate) -> None:
        reason = f"{certificate.verdict}: {'; '.join(certificate.reasons)}"
        step = StepDown(
            certificate.model, certificate.key.engine, certificate.key.precision, reason
        )
        extra = {"model": step.model, "engine": step.engine, "refused": step.refused}
        log.warning("engine_stepped_down", extra=extra | {"reason": reason})
        self._on_step_down(step)


def _refuse(certificate: Certificate) -> NoReturn:
    key = certificate.key
    raise EngineError(
        f"engine {key.engine} {key.precision} of model {certificate.model} does not agree with "
        f"{certificate.reference}: {'; '.join(certificate.reasons)}; take a higher precision "
        "(--precision fp32), another --engine, or --allow-uncertified if you know better"
    )
