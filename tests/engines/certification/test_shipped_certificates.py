"""What ships with the models: a quick first run everywhere, and no figures of another graph."""

import pytest

from engines.artefact import Artefact
from engines.certification.certificate import Judgement, read_certificate
from engines.certification.certify import ReferenceFinder, certify
from engines.certification.picture_set import DRAWN, drawn_set
from engines.certification.reference import read_reference
from engines.certification.shelf import FOLDER_NAME
from engines.engine import Precision
from engines.openvino_engine import open_openvino, openvino_precisions
from engines.zoo_models import find_model, list_models
from stream.clock import ManualClock

HOW = "run: python -m builders.shipped_certificates engines/zoo/MODEL"


@pytest.fixture(params=[model.name for model in list_models()])
def shipped(request: pytest.FixtureRequest) -> Artefact:
    return find_model(request.param)


def test_the_reference_people_of_every_canvas_are_recorded(shipped: Artefact) -> None:
    for canvas in shipped.manifest.canvases:
        sha256 = shipped.manifest.onnx_sha256
        found = read_reference(shipped.folder, sha256, DRAWN, canvas)
        assert found, f"{shipped.manifest.name}: no reference of this graph; {HOW}"
        scores = [score for picture in found.people for score in picture.scores]
        strong = [score for score in scores if score >= shipped.manifest.thresholds.min_score]
        assert len(strong) >= 10, f"the drawn people are hardly found at {canvas}"


def test_every_certificate_is_about_this_graph_and_passed(shipped: Artefact) -> None:
    paths = sorted((shipped.folder / FOLDER_NAME).glob("*.json"))
    assert paths, f"{shipped.manifest.name} has no certificates; {HOW}"
    for path in paths:
        certificate = read_certificate(path)
        assert path.name == certificate.key.file_name
        assert certificate.key.onnx_sha256 == shipped.manifest.onnx_sha256, HOW
        assert certificate.limits == shipped.manifest.agreement_limits, HOW
        assert certificate.verdict is Judgement.PASSED
        assert set(certificate.canvases) == set(shipped.manifest.canvases)


@pytest.mark.slow
@pytest.mark.parametrize("precision", openvino_precisions())
def test_the_default_engine_agrees_with_the_recorded_people_here(
    shipped: Artefact, precision: Precision
) -> None:
    engine = open_openvino(shipped, canvas=shipped.manifest.canvases[0], precision=precision)
    finder = ReferenceFinder(shipped)
    found = certify([engine], shipped, drawn_set(), finder, ManualClock())
    engine.close()
    assert found.reference.startswith("onnxruntime"), "recorded, not found here"
    assert found.verdict is Judgement.PASSED, found.reasons
