"""Rewrites a graph to compute its heavy part in fp16 or bf16; TensorRT takes types as they stand.

Heavy layers (convolutions, products) and the light ones that lie between two of them change their
type. What leads to keypoints without another heavy layer, and everything that computes where to
sample (`GridSample`'s grid), stays fp32: half a bit of a coordinate is a shifted joint. So do the
edges of quantised layers: the scales of small weights are too small for half precision.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper

HEAVY = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
LIGHT = {
    "Add", "AveragePool", "Clip", "Concat", "DepthToSpace", "GlobalAveragePool", "HardSigmoid",
    "HardSwish", "LeakyRelu", "MaxPool", "Mul", "Pad", "Relu", "Resize", "Sigmoid",
}  # fmt: skip
TYPED_INPUTS = {"Pad": (0, 2), "Resize": (0,)}
"""Inputs that share the type of the output, where not all do."""
GRID_INPUT = ("GridSample", 1)


def to_half(model: ModelProto, elem_type: int = TensorProto.FLOAT16) -> ModelProto:
    """A copy whose heavy part computes in `elem_type` (FLOAT16 or BFLOAT16)."""
    typed = onnx.shape_inference.infer_shapes(model)
    return _Rewrite(typed, elem_type).rewritten()


@dataclass(slots=True)
class _Rewrite:
    """One rewriting: which nodes change, and the casts where they meet others."""

    model: ModelProto
    elem_type: int
    _casts: dict[tuple[str, int], str] = field(default_factory=dict)
    """(tensor, type) -> the tensor that holds it in that type."""
    _nodes: list[NodeProto] = field(default_factory=list)

    def rewritten(self) -> ModelProto:
        graph = self.model.graph
        chosen = chosen_nodes(self.model)
        changed = {name for index in chosen for name in graph.node[index].output}
        halves = _stored_as_half(self.model) if self.elem_type == TensorProto.FLOAT16 else {}
        for index, node in enumerate(graph.node):
            wanted = typed_inputs(node) if index in chosen else ()
            for place, name in enumerate(node.input):
                if place in wanted and name not in changed:
                    node.input[place] = halves.get(name) or self._cast(name, self.elem_type)
                elif place not in wanted and name in changed:
                    node.input[place] = self._cast(name, TensorProto.FLOAT)
            self._nodes.append(node)
        self._restore_outputs(changed)
        out = ModelProto()
        out.CopyFrom(self.model)
        del out.graph.node[:], out.graph.value_info[:]
        out.graph.node.extend(self._nodes)
        return out

    def _cast(self, name: str, elem_type: int) -> str:
        if not name:
            return name  # an optional input that is left out
        key = (name, elem_type)
        if key not in self._casts:
            self._casts[key] = f"{name}.as_{elem_type}"
            self._nodes.append(helper.make_node("Cast", [name], [self._casts[key]], to=elem_type))
        return self._casts[key]

    def _restore_outputs(self, changed: set[str]) -> None:
        """Graph outputs keep their names and fp32."""
        for output in self.model.graph.output:
            if output.name in changed:
                inner = f"{output.name}.inner"
                for node in self._nodes:
                    _rename(node, output.name, inner)
                self._nodes.append(
                    helper.make_node("Cast", [inner], [output.name], to=TensorProto.FLOAT)
                )


def chosen_nodes(model: ModelProto) -> set[int]:
    """Places of the nodes that change their type."""
    nodes = model.graph.node
    floats = _float_tensors(model)
    after = _reached(nodes, _consumers(nodes))
    before = _reached(nodes, _producers(nodes))
    quantised = {n.output[0] for n in nodes if n.op_type == "DequantizeLinear"}
    chosen = set()
    for index, node in enumerate(nodes):
        heavy = node.op_type in HEAVY and not quantised & set(node.input)
        between = node.op_type in LIGHT and index in after and index in before
        if heavy or (between and node.output[0] in floats):
            chosen.add(index)
    return chosen


def typed_inputs(node: NodeProto) -> tuple[int, ...]:
    """Places of the inputs that share the type a node computes in."""
    return TYPED_INPUTS.get(node.op_type, tuple(range(len(node.input))))


def _reached(nodes: Sequence[NodeProto], edges: dict[int, set[int]]) -> set[int]:
    """What lies beyond the heavy nodes along the edges."""
    found: set[int] = set()
    waiting = [index for index, node in enumerate(nodes) if node.op_type in HEAVY]
    while waiting:
        for following in edges[waiting.pop()] - found:
            found.add(following)
            waiting.append(following)
    return found


def _links(nodes: Sequence[NodeProto]) -> Iterable[tuple[int, int]]:
    """(producer, consumer) of every tensor but sampling grids."""
    made_by = {name: index for index, node in enumerate(nodes) for name in node.output}
    for index, node in enumerate(nodes):
        for place, name in enumerate(node.input):
            if name in made_by and (node.op_type, place) != GRID_INPUT:
                yield made_by[name], index


def _consumers(nodes: Sequence[NodeProto]) -> dict[int, set[int]]:
    edges: dict[int, set[int]] = defaultdict(set)
    for producer, consumer in _links(nodes):
        edges[producer].add(consumer)
    return edges


def _producers(nodes: Sequence[NodeProto]) -> dict[int, set[int]]:
    edges: dict[int, set[int]] = defaultdict(set)
    for producer, consumer in _links(nodes):
        edges[consumer].add(producer)
    return edges


def _float_tensors(model: ModelProto) -> set[str]:
    graph = model.graph
    infos = [*graph.value_info, *graph.input, *graph.output]
    return {info.name for info in infos if info.type.tensor_type.elem_type == TensorProto.FLOAT}


def _stored_as_half(model: ModelProto) -> dict[str, str]:
    """fp32 tensor -> the fp16 initialiser it is cast from (`builders/export.py`)."""
    halves = {
        item.name for item in model.graph.initializer if item.data_type == TensorProto.FLOAT16
    }
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    return {node.output[0]: node.input[0] for node in casts if node.input[0] in halves}


def _rename(node: NodeProto, old: str, new: str) -> None:
    for names in (node.input, node.output):
        for place, name in enumerate(names):
            if name == old:
                names[place] = new
