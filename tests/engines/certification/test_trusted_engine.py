import logging
from dataclasses import replace
from pathlib import Path

import pytest

from engines import openvino_engine
from engines.artefact import AgreementLimits, Artefact
from engines.certification.certificate import Certificate, Judgement, key_of
from engines.certification.certify import ReferenceFinder, certify
from engines.certification.picture_set import PictureSet, drawn_set
from engines.certification.shelf import CertificateShelf
from engines.certification.trusted_engine import EngineTrust, StepDown, Wish
from engines.engine import Precision
from engines.hardware import cpu_features
from engines.open_engine import EngineName, open_engine
from engines.openvino_engine import open_openvino, openvino_precisions
from stream.clock import ManualClock
from stream.errors import EngineError
from tests.tiny_model import draw_people

CANVAS = (128, 96)
PICTURES = PictureSet(
    "squares",
    tuple(draw_people(*CANVAS, {(30, 40): grey, (70, 50): grey - 20}) for grey in (250, 220, 200)),
)


@pytest.fixture
def shelf(tmp_path: Path) -> CertificateShelf:
    return CertificateShelf(tmp_path)


def measured(artefact: Artefact, precision: Precision) -> Certificate:
    engine = open_openvino(artefact, canvas=CANVAS, precision=precision)
    return certify([engine], artefact, PICTURES, ReferenceFinder(artefact), ManualClock())


def failing(certificate: Certificate) -> Certificate:
    return certificate.model_copy(
        update={"verdict": Judgement.FAILED, "reasons": ("mean_px 9.000, at most 1 allowed",)}
    )


@pytest.fixture
def quick_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has bf16 is held to be quick in it."""
    quick = replace(cpu_features(), vendor="AuthenticAMD")
    monkeypatch.setattr(openvino_engine, "cpu_features", lambda: quick)


def test_a_measured_engine_passes_with_all_its_figures(tiny_artefact: Artefact) -> None:
    found = measured(tiny_artefact, Precision.FP32)
    assert found.verdict is Judgement.PASSED
    assert found.agreement["people"] == 6
    assert found.agreement["worst_px"] < 1e-3
    assert set(found.latency_ms) == {"1"}
    assert found.reference.startswith("onnxruntime")
    assert "6 people, 0 missed, 0 extra" in found.in_words


def test_a_certificate_comes_back_from_the_shelf(
    tiny_artefact: Artefact, shelf: CertificateShelf
) -> None:
    certificate = measured(tiny_artefact, Precision.FP32)
    assert shelf.find(tiny_artefact, certificate.key) is None
    assert shelf.keep(certificate)
    assert shelf.find(tiny_artefact, certificate.key) == certificate


@pytest.mark.parametrize("text", ["", "{", '{"schema_version": 1}'])
def test_a_broken_certificate_counts_as_none_and_is_told(
    tiny_artefact: Artefact, shelf: CertificateShelf, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = measured(tiny_artefact, Precision.FP32)
    path = shelf.keep(certificate)
    assert path
    path.write_text(text)
    with caplog.at_level(logging.WARNING):
        assert shelf.find(tiny_artefact, certificate.key) is None
    assert [record.getMessage() for record in caplog.records] == ["certificate_unreadable"]


def test_other_limits_need_another_certificate(
    tiny_artefact: Artefact, shelf: CertificateShelf
) -> None:
    certificate = measured(tiny_artefact, Precision.FP32)
    shelf.keep(certificate.model_copy(update={"limits": AgreementLimits(mean_px=5)}))
    assert shelf.find(tiny_artefact, certificate.key) is None


def test_a_shelf_that_cannot_be_written_costs_only_a_log_line(
    tiny_artefact: Artefact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert (
            CertificateShelf(tmp_path / "file").keep(measured(tiny_artefact, Precision.FP32))
            is None
        )
    assert [record.getMessage() for record in caplog.records] == ["certificate_not_kept"]


@pytest.mark.usefixtures("quick_bf16")
def test_a_precision_that_fails_is_stepped_down_out_loud(
    tiny_artefact: Artefact, shelf: CertificateShelf, caplog: pytest.LogCaptureFixture
) -> None:
    best = openvino_precisions()[0]
    if best is Precision.FP32:
        pytest.skip("this processor has fp32 only: nothing to step down from")
    shelf.keep(failing(measured(tiny_artefact, best)))
    shelf.keep(measured(tiny_artefact, Precision.FP32))
    told: list[StepDown] = []
    trust = EngineTrust(ManualClock(), shelf, on_step_down=told.append)
    with caplog.at_level(logging.WARNING):
        engine = trust.open(Wish(tiny_artefact, CANVAS))
    assert engine.spec.precision is Precision.FP32
    assert [(step.model, step.engine, step.refused) for step in told] == [
        ("tiny", "openvino", best)
    ]
    assert "mean_px 9.000" in told[0].reason
    assert [record.getMessage() for record in caplog.records] == ["engine_stepped_down"]


def test_what_was_asked_for_by_name_is_refused_and_not_replaced(
    tiny_artefact: Artefact, shelf: CertificateShelf
) -> None:
    shelf.keep(failing(measured(tiny_artefact, Precision.FP32)))
    wish = Wish(tiny_artefact, CANVAS, EngineName.OPENVINO, precision=Precision.FP32)
    with pytest.raises(EngineError, match=r"does not agree with onnxruntime .*mean_px 9"):
        EngineTrust(ManualClock(), shelf).open(wish)


def test_allow_uncertified_opens_it_and_says_so(
    tiny_artefact: Artefact, shelf: CertificateShelf, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.keep(failing(measured(tiny_artefact, Precision.FP32)))
    wish = Wish(tiny_artefact, CANVAS, EngineName.OPENVINO, precision=Precision.FP32)
    with caplog.at_level(logging.WARNING):
        EngineTrust(ManualClock(), shelf, allow_uncertified=True).open(wish).close()
    assert [record.getMessage() for record in caplog.records] == ["engine_uncertified"]


@pytest.mark.usefixtures("quick_bf16")
def test_fp32_may_be_inconclusive_and_nothing_else(
    tiny_artefact: Artefact, shelf: CertificateShelf
) -> None:
    for precision in openvino_precisions():
        shelf.keep(
            measured(tiny_artefact, precision).model_copy(
                update={"verdict": Judgement.INCONCLUSIVE, "reasons": ("0 people",)}
            )
        )
    trust = EngineTrust(ManualClock(), shelf)
    assert trust.open(Wish(tiny_artefact, CANVAS)).spec.precision is Precision.FP32


def test_an_engine_without_a_certificate_is_measured_once_and_remembered(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    shelf = CertificateShelf(tmp_path)
    engine = open_engine(tiny_artefact, engine=EngineName.ONNXRUNTIME, canvas=CANVAS)
    first = EngineTrust(ManualClock(), shelf).certificate(engine, tiny_artefact)
    assert first.pictures == drawn_set().name
    engine.close()  # a second measurement would fail
    assert EngineTrust(ManualClock(), shelf).certificate(engine, tiny_artefact) == first
    assert first.key == key_of(engine.spec, tiny_artefact.manifest.onnx_sha256)


def test_no_engine_that_is_refused_stays_open(
    tiny_artefact: Artefact, shelf: CertificateShelf
) -> None:
    for precision in openvino_precisions():
        shelf.keep(failing(measured(tiny_artefact, precision)))
    with pytest.raises(EngineError, match="does not agree"):
        EngineTrust(ManualClock(), shelf).open(Wish(tiny_artefact, CANVAS))
