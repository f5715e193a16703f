"""Layers that keep fp32: marked in OpenVINO's file format, under the names of the graph."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from engines.artefact import Artefact
from engines.fp32_layers import mark_fp32_layers
from engines.openvino_engine import import_openvino, open_openvino, with_fp32_layers
from engines.zoo_models import find_model, list_models
from stream.errors import ArtefactError
from tests.tiny_model import draw_people

GRAPH = b"""<net><layers>
<layer name="trunk.weight" type="Const"/>
<layer name="/trunk/conv" type="Convolution"><rt_info><attribute name="other"/></rt_info></layer>
<layer name="/head/conv" type="Convolution"/>
</layers></net>"""


def marked(graph: bytes) -> list[str]:
    """Names of the layers that keep fp32."""
    layers = ElementTree.fromstring(graph).iter("layer")  # noqa: S314 - made above
    named = {
        layer.get("name", ""): [one.get("name") for one in layer.iter("attribute")]
        for layer in layers
    }
    return [name for name, notes in named.items() if "DisablePrecisionConversion" in notes]


def test_layers_are_marked_by_parts_of_their_names_and_weights_are_not() -> None:
    assert marked(mark_fp32_layers(GRAPH, ["trunk"])) == ["/trunk/conv"]
    assert marked(mark_fp32_layers(GRAPH, ["/trunk", "/head"])) == ["/trunk/conv", "/head/conv"]


def test_a_name_that_the_graph_lacks_is_refused() -> None:
    with pytest.raises(ArtefactError, match="'/tail'"):
        mark_fp32_layers(GRAPH, ["/trunk", "/tail"])


def first_convolution(artefact: Artefact) -> str:
    """Its name."""
    model = import_openvino().Core().read_model(artefact.onnx_path)
    layers = [one for one in model.get_ordered_ops() if one.get_type_name() == "Convolution"]
    name: str = layers[0].get_friendly_name()
    return name


def test_openvino_reads_the_marks_back(tiny_artefact: Artefact) -> None:
    model = import_openvino().Core().read_model(tiny_artefact.onnx_path)
    name = first_convolution(tiny_artefact)
    marks = {
        one.get_friendly_name()
        for one in with_fp32_layers(model, (name,)).get_ordered_ops()
        if any("DisablePrecisionConversion" in note for note in one.get_rt_info())
    }
    assert name in marks
    assert all(name in one for one in marks)


def test_an_engine_opens_with_layers_that_keep_fp32(tiny_artefact: Artefact) -> None:
    kept = {"fp32_layers": (first_convolution(tiny_artefact),)}
    manifest = tiny_artefact.manifest.model_copy(update=kept)
    picture = draw_people(128, 96, {(40, 40): 250})[None]
    for artefact in (tiny_artefact, replace(tiny_artefact, manifest=manifest)):
        engine = open_openvino(artefact, canvas=(128, 96))
        assert np.isfinite(engine.infer({"canvas": picture})["keypoints"]).all()
        engine.close()


def test_the_layers_that_shipped_models_name_are_there(tmp_path: Path) -> None:
    core = import_openvino().Core()
    for manifest in list_models():
        if manifest.fp32_layers:
            graph = tmp_path / f"{manifest.name}.xml"
            weights = graph.with_suffix(".bin")
            model = core.read_model(find_model(manifest.name).onnx_path)
            import_openvino().serialize(model, graph, weights)
            assert marked(mark_fp32_layers(graph.read_bytes(), manifest.fp32_layers))
