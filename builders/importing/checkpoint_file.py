"""Reads a file of published weights into names and tensors, without running what it holds."""

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from builders.importing.file_hash import sha256_of
from builders.importing.tensorflow_bundle import read_bundle
from stream.errors import ArtefactError

State = dict[str, Tensor]

STATE_KEYS = ("state_dict", "averaged")
"""Where training checkpoints keep the weights: the papers' and OpenMMLab's, ours."""
OPTIMISER_NAMES = ("/Adam", "/Adam_1", "beta1_power", "beta2_power", "Variable", "global_step")
"""Ends of TensorFlow names that are no weights: slots, powers, learning rate, step."""


class Ignored:
    """Takes the place of objects in a checkpoint that are not needed; keeps nothing."""

    def __new__(cls, *_: object, **__: object) -> "Ignored":
        """Accepts whatever the pickle passes to the real class."""
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        """Forgets the contents."""


HARMLESS = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.dtypes.{kind}DType" for kind in ("Float64", "Float32", "Int64", "Int32")),
)
"""Training history in OpenMMLab's checkpoints: read as `Ignored`, their code is never called."""


MALFORMED = (ValueError, TypeError, AttributeError, AssertionError)
"""What the unpickler raises besides its own errors when bytes make no sense."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that weights came from."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """What a file holds; names as the file has them, less a `module.` of all."""

    state: State
    files: tuple[SourceFile, ...]
    container: str
    """How the weights were wrapped, in words."""


def read_weights(path: Path) -> PublishedWeights:
    """Reads a `.pth`, `.pth.tar` or TensorFlow checkpoint (any of its files or its prefix).

    Raises:
        ArtefactError: if it cannot be read, holds more than data, or no weights.
    """
    prefix = _bundle_prefix(path)
    if prefix is not None:
        return _read_tensorflow(prefix)
    file = source_file(path)
    contents = _unpickled(path)
    container, state = _state_of(path, contents)
    whole = _without_prefix(_tensors(path, state), "module.")
    if whole.keys() != state.keys():
        container += ", prefix module. taken off"
    return PublishedWeights(whole, (file,), container)


def source_file(path: Path) -> SourceFile:
    """Name, size and sha256 of a file.

    Raises:
        ArtefactError: if it cannot be read.
    """
    try:
        return SourceFile(path.name, sha256_of(path), path.stat().st_size)
    except OSError as error:
        raise ArtefactError(f"cannot read weights {path}: {error.strerror}") from error


def _bundle_prefix(path: Path) -> Path | None:
    """The common part of a TensorFlow checkpoint's names; None if it is none."""
    name = path.name
    for end in (".index", ".meta"):
        name = name.removesuffix(end)
    if ".data-" in name and "-of-" in name:
        name = name.rsplit(".data-", 1)[0]
    prefix = path.with_name(name)
    return prefix if prefix.with_name(f"{name}.index").is_file() else None


def _read_tensorflow(prefix: Path) -> PublishedWeights:
    arrays = read_bundle(prefix, lambda name: not name.endswith(OPTIMISER_NAMES))
    paths = [prefix.with_name(f"{prefix.name}.index")]
    paths += sorted(prefix.parent.glob(f"{prefix.name}.data-*"))
    files = tuple(source_file(path) for path in paths)
    state = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    return PublishedWeights(state, files, "TensorFlow checkpoint, optimiser left out")


def _unpickled(path: Path) -> object:
    allowed: list[Any] = [(Ignored, name) for name in HARMLESS]
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            # Of newer pickle protocols; what it cannot read it refuses all the same.
            warnings.simplefilter("ignore")
            contents: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refusal(path, error) from error
    except (RuntimeError, EOFError, LookupError, OSError, *MALFORMED) as error:
        raise ArtefactError(
            f"{path} is no whole PyTorch checkpoint ({_first_line(error)}); fetch it again"
        ) from error
    return contents


def _refusal(path: Path, error: pickle.UnpicklingError) -> ArtefactError:
    """Tells a file with code in it from one that is no checkpoint at all."""
    with path.open("rb") as file:
        start = file.read(256).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return ArtefactError(
            f"{path} is a web page, not weights: a download link often leads to a page first; "
            "fetch the file itself"
        )
    text = str(error)
    if "GLOBAL" not in text and "Unsupported" not in text:
        return ArtefactError(f"{path} is no PyTorch checkpoint: {_first_line(error)}")
    named = text.partition("GLOBAL ")[2].split(" ")[0]
    wants = f"it wants to call {named}" if named else "it has instructions that plain weights lack"
    return ArtefactError(
        f"{path} is refused: {wants}, and so could run any code; nothing of it was run. If you "
        "trust its origin, load it there with the program that wrote it and save its state_dict "
        "alone"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _state_of(path: Path, contents: object) -> tuple[str, Mapping[str, object]]:
    if not isinstance(contents, Mapping):
        raise ArtefactError(
            f"{path} holds a {type(contents).__name__}; expected a state_dict or a checkpoint"
        )
    for key in STATE_KEYS:
        if isinstance(contents.get(key), Mapping):
            others = sorted(str(name) for name in contents if name != key)
            return f"checkpoint, {key} (beside {', '.join(others) or 'nothing'})", contents[key]
    return "plain state_dict", contents


def _tensors(path: Path, state: Mapping[str, object]) -> State:
    strangers = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if strangers or not state:
        raise ArtefactError(
            f"{path}: no weights, or more than weights: {', '.join(strangers) or 'it is empty'}"
        )
    return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}


def _without_prefix(state: State, prefix: str) -> State:
    if not all(name.startswith(prefix) for name in state):
        return state
    return {name.removeprefix(prefix): value for name, value in state.items()}
