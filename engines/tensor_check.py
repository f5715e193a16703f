"""Compares tensors with what a manifest says of them; pure."""

from collections.abc import Sequence

from engines.artefact import Manifest, TensorSpec
from engines.engine import Tensors
from stream.errors import EngineError


def fixed_inputs(manifest: Manifest, canvas: tuple[int, int]) -> tuple[TensorSpec, ...]:
    """The model's inputs for one canvas or crop (width, height); only the batch stays dynamic.

    Raises:
        EngineError: if the model has no such canvas.
    """
    if canvas not in manifest.canvases:
        raise EngineError(
            f"model {manifest.name} has no canvas {canvas[0]}x{canvas[1]}; "
            f"it has {', '.join(f'{width}x{height}' for width, height in manifest.canvases)}"
        )
    width, height = canvas
    return tuple(
        spec.model_copy(update={"shape": (spec.shape[0], height, width, *spec.shape[3:])})
        if spec.dtype == "uint8"  # pixels; the poses of a refiner have no sides
        else spec
        for spec in manifest.inputs
    )


def check_tensors(title: str, expected: Sequence[TensorSpec], tensors: Tensors) -> int:
    """Checks names, types and shapes; returns the common batch size.

    Args:
        title: what these tensors are, for messages.
        expected: None in a shape fits any size; the first dimension is the batch.
        tensors: by name.

    Raises:
        EngineError: naming what was expected and what came.
    """
    names = {spec.name for spec in expected}
    if set(tensors) != names:
        raise EngineError(f"{title}: expected {sorted(names)}, got {sorted(tensors)}")
    for spec in expected:
        _check_tensor(title, spec, tensors)
    batches: dict[str, int] = {name: int(array.shape[0]) for name, array in tensors.items()}
    if len(set(batches.values())) != 1:
        raise EngineError(f"{title}: expected the same batch in all, got {batches}")
    return next(iter(batches.values()))


def row_bytes(tensors: Tensors) -> int:
    """Bytes of one row of all arrays together; they have at least one."""
    return sum(array[0].nbytes for array in tensors.values())


def _check_tensor(title: str, spec: TensorSpec, tensors: Tensors) -> None:
    array = tensors[spec.name]
    fits = len(array.shape) == len(spec.shape) and all(
        wanted in (None, side) for wanted, side in zip(spec.shape, array.shape, strict=True)
    )
    # torch calls its types by the same names, with its own before them.
    if not fits or str(array.dtype).removeprefix("torch.") != spec.dtype:
        wanted = ", ".join("any" if side is None else str(side) for side in spec.shape)
        raise EngineError(
            f"{title}: expected {spec.name} {spec.dtype} ({wanted}), "
            f"got {array.dtype} {array.shape}"
        )
