"""Layers that stay fp32 in a graph that runs in fewer bits: marked in OpenVINO's own file format.

OpenVINO takes one precision for a whole graph. A layer with the attribute that its own passes set
(`DisablePrecisionConversion`, once `precise`) is left alone; Python can set it only by way of the
file. Pure.

The file is some megabytes of XML: marks are put into the text where it names those layers. To make
a tree of it and a text of the tree again took 0.3 s at each opening.
"""

import re
from collections.abc import Collection, Sequence
from xml.sax.saxutils import unescape

from stream.errors import ArtefactError

MARK = b'<attribute name="DisablePrecisionConversion" version="0" value="dynamic:f16,bf16"/>'
NO_WORK = ("Const", "Parameter", "Result")
_LAYER = re.compile(rb'<layer\b(?P<attributes>(?:[^">]|"[^"]*")*?)(?P<empty>/?)>')
_ATTRIBUTE = re.compile(rb'\b(name|type)="([^"]*)"')
_NOTES = re.compile(rb'\s*(?:<data\b(?:[^">]|"[^"]*")*?/>)?\s*<rt_info>')
"""Of a layer, not of its ports: those come later."""
_QUOTES = {"&quot;": '"', "&apos;": "'"}


def mark_fp32_layers(
    graph: bytes, names: Sequence[str], also: Collection[str] = frozenset()
) -> bytes:
    """The XML of a graph whose layers with one of these in their name keep fp32.

    Args:
        graph: XML.
        names: parts of names.
        also: whole names of more layers.

    Raises:
        ArtefactError: if no layer is called so.
    """
    parts: list[bytes] = []
    done, missing = 0, set(names)
    for layer in _LAYER.finditer(graph):
        name = _worker(layer)
        meant = {part for part in names if part in name}
        if meant or name in also:
            missing -= meant
            marked, end = _marked(graph, layer)
            parts += [graph[done : layer.start()], marked]
            done = end
    if missing:
        name = next(name for name in names if name in missing)
        raise ArtefactError(
            f"fp32_layers: no layer of the graph has {name!r} in its name; the manifest is of "
            "another graph"
        )
    return b"".join([*parts, graph[done:]])


def _worker(layer: re.Match[bytes]) -> str:
    """Its name, empty if it does no work."""
    found = dict(_ATTRIBUTE.findall(layer["attributes"]))
    if found.get(b"type", b"").decode() in NO_WORK:
        return ""
    return unescape(found.get(b"name", b"").decode(), _QUOTES)


def _marked(graph: bytes, layer: re.Match[bytes]) -> tuple[bytes, int]:
    """The layer with the mark up to where its own text goes on, and the place of that."""
    if layer["empty"]:
        return b"<layer%b><rt_info>%b</rt_info></layer>" % (layer["attributes"], MARK), layer.end()
    notes = _NOTES.match(graph, layer.end())
    if notes:
        return layer[0] + notes[0] + MARK, notes.end()
    return b"%b<rt_info>%b</rt_info>" % (layer[0], MARK), layer.end()
