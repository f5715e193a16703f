"""Layers that keep fp32: marked in OpenVINO's file format, under the names of the graph."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from engines.artefact import Artefact
from engines.engine import Precision
from engines.fp32_layers import mark_fp32_layers
from engines.openvino_engine import _settings, open_openvino, openvino_precisions
from engines.openvino_graph import with_fp32_layers
from engines.openvino_package import import_openvino, openvino_core
from engines.zoo_models import find_model, list_models
from stream.errors import ArtefactError
from tests.tiny_model import draw_people

GRAPH = b"""<net><layers>
<layer name="trunk.weight" type="Const"/>
<layer name="/trunk/conv" type="Convolution"><rt_info><attribute name="other"/></rt_info></layer>
<layer name="/head/conv" type="Convolution"/>
<layer name="/head/&quot;a>b&quot;" type="Convolution"><data a="1>0"/><input><port><rt_info/></port>
</input></layer>
<layer name="/tail/conv" type="Convolution"><data/> <rt_info><attribute name="more"/></rt_info>
</layer></layers></net>"""


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
    assert marked(mark_fp32_layers(GRAPH, ["/trunk", "/head"])) == [
        "/trunk/conv",
        "/head/conv",
        '/head/"a>b"',
    ]
    assert marked(mark_fp32_layers(GRAPH, ['"a>b"', "/tail"])) == ['/head/"a>b"', "/tail/conv"]
    also = {"/head/conv", "trunk.weight", "conv"}
    assert marked(mark_fp32_layers(GRAPH, ["/tail"], also)) == ["/head/conv", "/tail/conv"]


def test_notes_that_a_layer_had_stay_and_it_has_no_second_list_of_them() -> None:
    layers = ElementTree.fromstring(mark_fp32_layers(GRAPH, ["conv"])).iter("layer")  # noqa: S314
    for layer in layers:
        assert len(layer.findall("rt_info")) <= 1
        names = [note.get("name") for note in layer.iter("attribute")]
        if layer.get("name") in ("/trunk/conv", "/tail/conv"):
            assert min(filter(None, names)) == "DisablePrecisionConversion"
            assert len(names) == 2


def test_a_name_that_the_graph_lacks_is_refused() -> None:
    with pytest.raises(ArtefactError, match="'/neck'"):
        mark_fp32_layers(GRAPH, ["/trunk", "/neck"])


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


def precisions(model: Any) -> dict[str, str]:
    """What each convolution runs in, by the names of the layers that it is made of."""
    layers = [one.get_rt_info() for one in model.get_runtime_model().get_ordered_ops()]
    return {
        one["originalLayersNames"].astype(str): one["runtimePrecision"].astype(str)
        for one in layers
        if one["layerType"].astype(str) == "Convolution"
    }


def both_compiled(artefact: Artefact, names: tuple[str, ...]) -> list[dict[str, str]]:
    """Precisions without and with layers that keep fp32, where all else is bf16."""
    core, found = openvino_core(), []
    graph = core.read_model(artefact.onnx_path)
    width, height = artefact.manifest.canvases[0]
    for model in (graph, with_fp32_layers(graph, names)):
        model.reshape({graph.inputs[0].get_any_name(): [1, height, width, 3]})
        found.append(precisions(core.compile_model(model, "CPU", _settings(Precision.BF16, 1, 1))))
    return found


HAS_BF16 = Precision.BF16 in openvino_precisions()


@pytest.mark.slow
@pytest.mark.skipif(not HAS_BF16, reason="this processor has no bf16: all is fp32")
def test_layers_that_a_shipped_model_names_really_run_in_fp32_and_no_others_do() -> None:
    artefact = find_model("graph_pcnn")
    names = artefact.manifest.fp32_layers
    plain, kept = both_compiled(artefact, names)
    meant = {layer for layer in kept if any(name in layer for name in names)}
    in_fp32 = {layer for layer, precision in kept.items() if precision == "f32"}
    assert set(plain.values()) == {"bf16"}
    assert in_fp32 <= meant
    # OpenVINO drops the mark of a convolution into which it folds what comes before it.
    assert len(in_fp32) > len(meant) / 2


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
