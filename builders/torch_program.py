"""The exported torch program of a model: what the engine `torch` runs."""

from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from builders.export import load_from_onnx, network_from_onnx
from builders.networks.bottom_up_decode import BottomUpGraph, DecodeSettings
from builders.release_forms import FAST_SHRINK, RELEASE_FORMS, TINY_SHRINK
from builders.training.recipe import Recipe, load_recipe
from builders.training.settings import Folders
from builders.training.task_table import TASKS
from builders.unnamed_weights import unnamed_weights
from engines.artefact import Artefact
from engines.tensor_check import fixed_inputs
from stream.errors import ArtefactError, ConfigError, EngineError

MAX_BATCH = 64
BOTTOM_UP = MappingProxyType(
    {
        "bottom_up": DecodeSettings(),
        "bottom_up_fast": DecodeSettings(shrink=FAST_SHRINK),
        "bottom_up_tiny": DecodeSettings(shrink=TINY_SHRINK),
    }
)
"""Their heads are read from the weights: what was released is lighter than what was trained."""
RECIPES = Path(__file__).parents[1]
"""Manifests name recipes relative to the repository."""


class _Named(nn.Module):
    """Gives outputs by name.

    A part called `graph` could not be loaded again: programs have a graph of their own.
    """

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.names = names

    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        """Inputs in the manifest's order to outputs."""
        found = self.network(*inputs)
        outputs = (found,) if isinstance(found, Tensor) else found
        return dict(zip(self.names, outputs, strict=True))


def torch_twin(artefact: Artefact) -> nn.Module:
    """The torch network with the weights of a model's graph, pixels in and poses out.

    Raises:
        EngineError: if no twin of this model is known: it is none of ours, or its recipe is not
            here.
    """
    manifest = artefact.manifest
    graph = _bottom_up(artefact) if manifest.name in BOTTOM_UP else _of_recipe(artefact)
    return _Named(graph, tuple(spec.name for spec in manifest.outputs)).eval()


def _bottom_up(artefact: Artefact) -> nn.Module:
    settings = BOTTOM_UP[artefact.manifest.name]
    return BottomUpGraph(network_from_onnx(artefact.onnx_path), settings)


def _of_recipe(artefact: Artefact) -> nn.Module:
    """What the recipe trains, in the form in which it was released, with the released weights."""
    manifest = artefact.manifest
    path = RECIPES / manifest.training.get("recipe", "")
    if not path.is_file():
        raise EngineError(
            f"torch: no twin of model {manifest.name} is known, for it names no recipe of this "
            f"repository ({path.name} is none); the engines onnxruntime and openvino run its graph "
            "in fp32"
        )
    try:
        return _trained_graph(load_recipe(path), artefact)
    except (ArtefactError, ConfigError) as error:
        raise EngineError(
            f"torch: the recipe {path.name} makes no twin of model {manifest.name}: {error}"
        ) from error


def _trained_graph(recipe: Recipe, artefact: Artefact) -> nn.Module:
    settings, nowhere = _not_started(recipe.task), Folders(RECIPES, RECIPES)
    network = TASKS[recipe.network].make(settings, nowhere).build()
    graph = RELEASE_FORMS[recipe.network](recipe.task).graph(network.eval())
    unnamed = unnamed_weights(graph, network, artefact)
    load_from_onnx(network, artefact.onnx_path, unnamed)
    return graph


def _not_started(settings: Any) -> Any:
    """A task's settings without start weights, which the released ones replace."""
    changes: dict[str, Any] = {
        name: None for name in ("start_weights", "start_run") if hasattr(settings, name)
    }
    if hasattr(settings, "trunk"):
        changes["trunk"] = _not_started(settings.trunk)
    return settings.model_copy(update=changes)


def write_program(artefact: Artefact, canvas: tuple[int, int], path: Path) -> None:
    """Exports the twin for one canvas (width, height) and any batch size.

    Raises:
        EngineError: if no twin is known, or it cannot be exported.
    """
    width, height = canvas
    specs = fixed_inputs(artefact.manifest, canvas)
    examples = tuple(
        torch.zeros([2, *(side or 1 for side in spec.shape[1:])], dtype=getattr(torch, spec.dtype))
        for spec in specs
    )
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    try:
        with torch.inference_mode():
            program = torch.export.export(
                torch_twin(artefact),
                examples,
                dynamic_shapes={"inputs": tuple({0: batch} for _ in examples)},
            )
        torch.export.save(program, path)
    except RuntimeError as error:
        raise EngineError(
            f"torch cannot export model {artefact.manifest.name} at {width}x{height}: {error}"
        ) from error
