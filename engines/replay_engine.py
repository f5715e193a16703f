"""Gives recorded outputs instead of running a graph: a pipeline without a model, for tests."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Manifest
from engines.batch_ring import Arrays
from engines.engine import Engine, EngineSpec, Precision, Tensors
from engines.tensor_check import check_tensors, fixed_inputs, row_bytes
from stream.errors import EngineError

ENGINE = "replay"
CANVAS = "canvas"


class ReplayEngine:
    """Implements `Engine` with recorded outputs, one recording a picture.

    Args:
        manifest: of the model the recording stands for; inputs and recordings must fit it.
        canvas: (width, height) of the pictures.
        recorded: outputs of one picture each (no batch dimension). A sequence is replayed in the
            order of the pictures; a mapping is keyed by `picture_key`.

    Raises:
        EngineError: if a recording does not fit the manifest's outputs.
    """

    def __init__(
        self,
        manifest: Manifest,
        canvas: tuple[int, int],
        recorded: Sequence[Tensors] | Mapping[str, Tensors],
    ) -> None:
        self._spec = EngineSpec(ENGINE, "1", manifest.name, Precision.FP32, 1, canvas)
        self._manifest = manifest
        self._inputs = fixed_inputs(manifest, canvas)
        self._by_picture = isinstance(recorded, Mapping)
        self._recorded = _keyed(recorded)
        self._seen = 0
        self._closed = False
        for outputs in self._recorded.values():
            whole = _stacked([outputs])
            check_tensors("replay: recorded outputs", manifest.outputs, whole)
            self._spec = replace(self._spec, result_bytes=row_bytes(whole))

    @property
    def spec(self) -> EngineSpec:
        """See `Engine.spec`."""
        return self._spec

    def infer(self, inputs: Tensors) -> Arrays:
        """See `Engine.infer`.

        Raises:
            EngineError: also if a picture was not recorded or the recording is at its end.
        """
        if self._closed:
            raise EngineError(
                f"engine replay of model {self._spec.model} was closed; open a new one"
            )
        check_tensors("engine replay inputs", self._inputs, inputs)
        found = [self._outputs_of(picture) for picture in inputs[CANVAS]]
        return _stacked(found) if found else self._nothing()

    def close(self) -> None:
        """See `Engine.close`."""
        self._closed = True

    def _outputs_of(self, picture: NDArray[np.generic]) -> Tensors:
        key = picture_key(picture) if self._by_picture else str(self._seen)
        self._seen += 1
        if key not in self._recorded:
            raise EngineError(
                f"replay: no recording of picture {key[:12]}; {len(self._recorded)} are recorded"
            )
        return self._recorded[key]

    def _nothing(self) -> Arrays:
        return {
            spec.name: np.empty([0, *(side or 0 for side in spec.shape[1:])], spec.dtype)
            for spec in self._manifest.outputs
        }


def picture_key(picture: NDArray[np.generic]) -> str:
    """Name of an (H, W, 3) uint8 picture by its contents."""
    digest = hashlib.sha256(repr(picture.shape).encode())
    digest.update(np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()


def record(engine: Engine, canvases: Iterable[NDArray[np.uint8]]) -> dict[str, Arrays]:
    """Runs pictures (H, W, 3) through an engine, one by one; what `ReplayEngine` replays by key."""
    recorded = {}
    for canvas in canvases:
        outputs = engine.infer({CANVAS: canvas[None]})
        recorded[picture_key(canvas)] = {name: array[0] for name, array in outputs.items()}
    return recorded


def _keyed(recorded: Sequence[Tensors] | Mapping[str, Tensors]) -> dict[str, Tensors]:
    if isinstance(recorded, Mapping):
        return dict(recorded)
    return {str(index): outputs for index, outputs in enumerate(recorded)}


def _stacked(recorded: Sequence[Tensors]) -> Arrays:
    return {name: np.stack([outputs[name] for outputs in recorded]) for name in recorded[0]}
