"""Exports a graph of any stage as it is, in single precision, and runs it in torch."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from builders.export import OPSET
from builders.networks.residual import BasicBlock, Bottleneck

PICTURES = ("canvas", "crops")
"""Inputs whose sides stay open, as the batch of all does."""
RESIDUAL_SHARE = 0.3


def export_contract(
    graph: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    path: Path,
    maps: Sequence[str] = (),
) -> None:
    """Writes ONNX whose batch is dynamic.

    Args:
        graph: put to evaluation.
        inputs: examples by name, in the order of the graph's arguments.
        outputs: names, in the graph's order.
        path: of the ONNX file.
        maps: those of the outputs, (B, C, H, W), whose sides follow the picture's.
    """
    sides = {name: {1: "height", 2: "width"} if name in PICTURES else {} for name in inputs}
    sides |= {name: {2: f"{name}_height", 3: f"{name}_width"} for name in maps}
    axes = {name: {0: "batch", **sides.get(name, {})} for name in (*inputs, *outputs)}
    with warnings.catch_warnings():
        # Deprecated, but its plain static operators are what every engine builds.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def run_in_torch(graph: nn.Module, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    """The graph's outputs as a list, without gradients."""
    with torch.no_grad():
        out = graph(*inputs.values())
    return list(out) if isinstance(out, tuple) else [out]


def give_relief(graph: nn.Module, inputs: Mapping[str, Tensor], seed: int) -> None:
    """Random weights under which signals neither fade nor explode, as in trained networks.

    Convolutions get normal weights by their fan-in; residual branches add a third of what they
    are added to (with equal shares a deep network would be chaotic: it would turn the last bit of
    its input into the first of its output); batch norms take the statistics of one pass over the
    inputs. Leaves the graph in evaluation mode.
    """
    torch.manual_seed(seed)
    for name, parameter in graph.named_parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=float(parameter[0].numel()) ** -0.5)
        elif name.endswith("bias"):
            nn.init.normal_(parameter, std=0.1)
    for module in graph.modules():
        if isinstance(module, Bottleneck):
            nn.init.constant_(module.bn3.weight, RESIDUAL_SHARE)
        elif isinstance(module, BasicBlock):
            nn.init.constant_(module.bn2.weight, RESIDUAL_SHARE)
    _take_statistics(graph, inputs)


def _take_statistics(graph: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    norms = [module for module in graph.modules() if isinstance(module, _BatchNorm)]
    momentum = [norm.momentum for norm in norms]
    graph.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    run_in_torch(graph, inputs)
    for norm, before in zip(norms, momentum, strict=True):
        norm.eval()
        norm.momentum = before
