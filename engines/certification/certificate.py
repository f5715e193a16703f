"""The measured agreement of an engine with the reference, as JSON."""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from engines.artefact import AgreementLimits
from engines.certification.agreement import Agreement
from engines.engine import EngineSpec, Precision
from engines.hardware import cpu_features
from stream.errors import ArtefactError

MIN_PEOPLE = 5
"""Fewer say nothing about an engine."""
CPU = "cpu"


class Judgement(StrEnum):
    """What a certificate says."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    """The reference found too few people in the pictures."""


class CertificateKey(BaseModel):
    """What a certificate is about; another version of an engine may compute otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    onnx_sha256: str
    engine: str
    engine_version: str
    """Major and minor."""
    precision: Precision
    device_class: str
    """Instruction class of a processor, or name and capability of a GPU."""

    @property
    def file_name(self) -> str:
        """Of the JSON file; without the model, whose folder it lies in."""
        device = "".join(sign if sign.isalnum() else "-" for sign in self.device_class)
        return f"{self.engine}-{self.engine_version}-{self.precision}-{device}.json"


class Certificate(BaseModel):
    """One engine and precision beside the reference."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    model: str
    key: CertificateKey
    engine_version: str
    """In full."""
    device: str
    pictures: str
    """Name of the picture set."""
    canvases: tuple[tuple[int, int], ...]
    reference: str
    """What found the people that this engine's were compared with."""
    agreement: Mapping[str, float]
    limits: AgreementLimits
    verdict: Judgement
    reasons: tuple[str, ...]
    """Why it is not `passed`."""
    latency_ms: Mapping[str, float]
    """Batch size -> median milliseconds a batch when it was measured; a hint, no benchmark."""

    @property
    def in_words(self) -> str:
        """One line."""
        found = self.agreement
        return (
            f"{self.key.engine} {self.engine_version} {self.key.precision} {self.verdict}: "
            f"{found['people']:g} people, {found['missed']:g} missed, {found['extra']:g} extra, "
            f"mean {found['mean_px']:.2f} px, worst {found['worst_px']:.1f} px, "
            f"OKS {found['mean_oks']:.3f}"
        )


def key_of(spec: EngineSpec, onnx_sha256: str) -> CertificateKey:
    """The key of an open engine."""
    return CertificateKey(
        onnx_sha256=onnx_sha256,
        engine=spec.engine,
        engine_version=".".join(spec.version.split(".")[:2]),
        precision=spec.precision,
        device_class=cpu_features().instruction_class if spec.device == CPU else spec.device,
    )


def judge(agreement: Agreement, limits: AgreementLimits) -> tuple[Judgement, tuple[str, ...]]:
    """The verdict, and each limit that was broken in words."""
    people = agreement.people
    if people < MIN_PEOPLE:
        return Judgement.INCONCLUSIVE, (f"{people} people in the pictures, needs {MIN_PEOPLE}",)
    broken = [
        f"{name} {value:.3f}, {word} {limit:g} allowed"
        for name, value, word, limit, holds in (
            ("mean_px", agreement.mean_px, "at most", limits.mean_px, _at_most),
            ("far_share", agreement.far_share, "at most", limits.far_share, _at_most),
            ("mean_oks", agreement.mean_oks, "at least", limits.mean_oks, _at_least),
            ("missed_share", agreement.missed / people, "at most", limits.missed_share, _at_most),
            ("extra_share", agreement.extra / people, "at most", limits.extra_share, _at_most),
        )
        if not holds(value, limit)
    ]
    return (Judgement.FAILED if broken else Judgement.PASSED), tuple(broken)


def read_certificate(path: Path) -> Certificate:
    """Reads a certificate.

    Raises:
        ArtefactError: if the file is none.
        FileNotFoundError: if there is no file.
    """
    try:
        return Certificate.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, ValidationError) as error:
        raise ArtefactError(f"certificate {path}: cannot be read: {error}") from error


def certificate_text(certificate: Certificate) -> str:
    """The JSON of a certificate."""
    return json.dumps(certificate.model_dump(mode="json"), indent=1) + "\n"


def _at_most(value: float, limit: float) -> bool:
    return value <= limit


def _at_least(value: float, limit: float) -> bool:
    return value >= limit
