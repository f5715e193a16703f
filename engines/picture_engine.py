"""An engine whose graph is compiled for one picture: runs a batch picture by picture.

Measured on 2 cores (512x288, `tests/bench/bench_engines.py`): a fixed batch of one, called in a
loop, is as fast as a dynamic batch on a quiet machine and up to a third faster on a busy one,
because the activations of one picture stay in the cache. It needs no padding, takes a fraction of
the memory, and a picture's result cannot depend on the batch it rode in.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Manifest
from engines.engine import EngineSpec, Tensors
from engines.tensor_check import check_tensors, fixed_inputs
from stream.errors import EngineError

Arrays = dict[str, NDArray[np.generic]]
RunPicture = Callable[[Arrays], Tensors]
"""Runs inputs with batch 1; the arrays it returns may be overwritten by the next call."""


class PictureEngine:
    """Implements `Engine` over a function that runs one picture.

    Args:
        spec: what the engine is.
        manifest: names, types and shapes that inputs and outputs must have.
        run_picture: owns the compiled graph; dropping it frees the graph.

    Raises:
        EngineError: if the graph fails on a blank picture, or gives other outputs than the
            manifest says.
    """

    def __init__(self, spec: EngineSpec, manifest: Manifest, run_picture: RunPicture) -> None:
        self._spec = spec
        self._inputs = fixed_inputs(manifest, spec.canvas)
        self._run: RunPicture | None = run_picture
        # A blank picture warms the engine up and shows the shapes of the outputs.
        blank = {
            wanted.name: np.zeros([side or 1 for side in wanted.shape], wanted.dtype)
            for wanted in self._inputs
        }
        warm = dict(run_picture(blank))
        check_tensors(f"{self._title} outputs", manifest.outputs, warm)
        self._outputs = {name: (array.shape[1:], array.dtype) for name, array in warm.items()}

    @property
    def spec(self) -> EngineSpec:
        """See `Engine.spec`."""
        return self._spec

    def infer(self, inputs: Tensors) -> Arrays:
        """See `Engine.infer`; a batch of 0 gives outputs of 0."""
        if self._run is None:
            raise EngineError(f"{self._title} was closed; open a new engine")
        batch = check_tensors(f"{self._title} inputs", self._inputs, inputs)
        results: Arrays = {
            name: np.empty((batch, *shape), dtype) for name, (shape, dtype) in self._outputs.items()
        }
        for index in range(batch):
            picture = {
                name: np.ascontiguousarray(array[index : index + 1])
                for name, array in inputs.items()
            }
            self._keep(results, index, self._run(picture))
        return results

    def close(self) -> None:
        """See `Engine.close`."""
        self._run = None

    @property
    def _title(self) -> str:
        return f"engine {self._spec.engine} of model {self._spec.model}"

    def _keep(
        self, results: Arrays, index: int, outputs: Mapping[str, NDArray[np.generic]]
    ) -> None:
        for name, result in results.items():
            output = outputs[name]
            if output.shape[1:] != result.shape[1:]:
                raise EngineError(
                    f"{self._title}: output {name} changed its shape from {result.shape[1:]} to "
                    f"{output.shape[1:]}; the graph must give a fixed number of candidates"
                )
            result[index] = output[0]
