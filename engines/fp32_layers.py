"""Layers that stay fp32 in a graph that runs in fewer bits: marked in OpenVINO's own file format.

OpenVINO takes one precision for a whole graph. A layer with the attribute that its own passes set
(`DisablePrecisionConversion`, once `precise`) is left alone; Python can set it only by way of the
file. Pure.
"""

from collections.abc import Sequence
from xml.etree import ElementTree

from stream.errors import ArtefactError

ATTRIBUTE = {"name": "DisablePrecisionConversion", "version": "0", "value": "dynamic:f16,bf16"}
NO_WORK = ("Const", "Parameter", "Result")


def mark_fp32_layers(graph: bytes, names: Sequence[str]) -> bytes:
    """The XML of a graph whose layers with one of these in their name keep fp32.

    Raises:
        ArtefactError: if no layer is called so.
    """
    root = ElementTree.fromstring(graph)  # noqa: S314 - OpenVINO wrote it just now
    layers = [layer for layer in root.iter("layer") if layer.get("type") not in NO_WORK]
    for name in names:
        meant = [layer for layer in layers if name in layer.get("name", "")]
        if not meant:
            raise ArtefactError(
                f"fp32_layers: no layer of the graph has {name!r} in its name; the manifest is of "
                "another graph"
            )
        for layer in meant:
            _mark(layer)
    return ElementTree.tostring(root)


def _mark(layer: ElementTree.Element) -> None:
    notes = layer.find("rt_info")
    if notes is None:
        notes = ElementTree.Element("rt_info")
        layer.insert(0, notes)
    ElementTree.SubElement(notes, "attribute", ATTRIBUTE)
