"""Loads weights into a network, or names everything that does not fit, all at once."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from builders.importing.checkpoint_file import State
from builders.importing.import_targets import ImportTarget, import_targets
from builders.importing.key_formats import KeyFormat, Translated
from builders.networks.deformable import regular_matrix
from stream.errors import ArtefactError

MAY_BE_MISSING = ("num_batches_tracked", "regular_matrix")
"""Counters that old PyTorch and TensorFlow do not keep, and a constant."""
NEAR = 0.5
"""Another network is suggested if at least this share of its entries is found in the file."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network with the file's weights."""

    network: nn.Module
    format: KeyFormat
    translated: Translated


def load_strictly(name: str, state: State, origin: str) -> Loaded:
    """Builds a network and loads published weights into it.

    Args:
        name: of an import target.
        state: published names to tensors.
        origin: of the weights, for messages.

    Raises:
        ArtefactError: naming every missing and unexpected entry, every wrong shape, tied weights
            that differ and values that are no numbers.
    """
    target = import_targets()[name]
    form = _format_of(target, state)
    translated = form.translate(state)
    with torch.device("meta"):
        own = target.make().state_dict()
    found = _mismatches(own, translated.state, form) or _wrong_values(translated.state)
    if found:
        advice = _advice(name, state)
        raise ArtefactError(
            f"{origin} does not fit {name} (read as: {form.name}): {'; '.join(found)}{advice}"
        )
    network = target.make()
    network.load_state_dict(translated.state, strict=False)
    untied = _untied(network, translated.state)
    if untied:
        raise ArtefactError(f"{origin} does not fit {name}: {untied}")
    return Loaded(network.eval(), form, translated)


def _format_of(target: ImportTarget, state: State) -> KeyFormat:
    return next(form for form in target.formats if form.recognises(state))


def _mismatches(own: State, given: State, form: KeyFormat) -> list[str]:
    missing = [
        key
        for key in own
        if key not in given and not key.endswith(MAY_BE_MISSING)
        if not key.startswith(form.untrained or ("\0",))
    ]
    unexpected = [key for key in given if key not in own]
    wrong = [
        f"{key} {_shape(value)} instead of {_shape(own[key])}"
        for key, value in given.items()
        if key in own and value.shape != own[key].shape
    ]
    named = {"missing": missing, "unexpected": unexpected, "of another shape": wrong}
    return [_listed(what, names) for what, names in named.items() if names]


def _wrong_values(given: State) -> list[str]:
    """Entries that cannot be weights of a working network, their shape being right."""
    broken = [k for k, v in given.items() if v.is_floating_point() and not v.isfinite().all()]
    grids = [
        key
        for key, value in given.items()
        if key.endswith("regular_matrix") and not torch.equal(value.float(), regular_matrix())
    ]
    named = {"not finite": broken, "another sampling grid than ours": grids}
    return [_listed(what, names) for what, names in named.items() if names]


def _untied(network: nn.Module, given: State) -> str:
    """Entries that the network shares but the file holds with several values."""
    state = network.state_dict()
    differing = [
        key for key, value in given.items() if not torch.equal(state[key], value.to(state[key]))
    ]
    return _listed("tied in the network but different in the file", differing) if differing else ""


def _listed(what: str, names: Iterable[str]) -> str:
    names = list(names)
    return f"{len(names)} {what}: {', '.join(names)}"


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "single"


def _advice(name: str, state: State) -> str:
    """The network that the file fits better, if there is one."""
    targets = import_targets()
    if _fit(targets[name], state) > 1 - NEAR:
        return ""
    shares = {other: _fit(target, state) for other, target in targets.items()}
    best = max(shares, key=shares.__getitem__)
    if shares[best] < NEAR:
        return ""
    return f". It looks like weights of {best}: use --as {best}"


def _fit(target: ImportTarget, state: State) -> float:
    """Share of all names, ours and the file's, that are in both with the same shape."""
    form = _format_of(target, state) if any(f.recognises(state) for f in target.formats) else None
    if form is None:
        return 0.0
    with torch.device("meta"):
        own = target.make().state_dict()
        given = form.translate({key: value.to("meta") for key, value in state.items()}).state
    ours = {(key, value.shape) for key, value in own.items()}
    theirs = {(key, value.shape) for key, value in given.items()}
    return len(ours & theirs) / max(len(ours | theirs), 1)
