"""Which layers may be quantised: those that hurt stay higher.

The agreement of final keypoints decides, not the error of a layer. All layers are tried first. If
that breaks a limit, none is, to see whether the limits can be held at all; then each group of
neighbouring layers is quantised alone to see what it costs, and the costliest groups are left out,
one after another, until the limits hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from engines.artefact import AgreementLimits
from engines.certification.agreement import Agreement
from engines.certification.certificate import Judgement, judge
from stream.errors import EngineError

GROUPS = 8
Layers = tuple[str, ...]
Measure = Callable[[Layers], Agreement]
"""Quantises the named layers and compares the people with those of the reference."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """What is quantised, and how well it does."""

    quantised: Layers
    kept_higher: Layers
    agreement: Agreement


def choose_layers(
    layers: Sequence[str], measure: Measure, limits: AgreementLimits, say: Say
) -> LayerChoice:
    """The most layers, group by group, with which the limits hold.

    Raises:
        EngineError: if they hold with no choice.
    """
    everything = tuple(layers)
    choice = _try(everything, (), measure, say)
    if _holds(choice, limits):
        return choice
    _refuse_the_hopeless(_try((), everything, measure, say), limits)
    higher: Layers = ()
    for group in _costliest_first(everything, measure, say)[:-1]:
        higher = (*higher, *group)
        rest = tuple(layer for layer in everything if layer not in higher)
        choice = _try(rest, higher, measure, say)
        if _holds(choice, limits):
            return choice
    raise EngineError(
        f"quantisation: the limits do not hold with any of the {len(everything)} layers "
        f"({'; '.join(judge(choice.agreement, limits)[1])}); take --precision bf16 or fp16, or "
        "more calibration pictures"
    )


def _refuse_the_hopeless(without: LayerChoice, limits: AgreementLimits) -> None:
    if not _holds(without, limits):
        raise EngineError(
            "quantisation: the limits do not even hold with no layer quantised, by what the others "
            f"run in ({'; '.join(judge(without.agreement, limits)[1])}); take --precision fp32, or "
            "other pictures"
        )


def layer_groups(layers: Layers, count: int = GROUPS) -> list[Layers]:
    """Neighbouring layers, in about equal numbers."""
    ends = [round(place * len(layers) / count) for place in range(count + 1)]
    some = [layers[start:end] for start, end in pairwise(ends)]
    return [group for group in some if group]


def cost(agreement: Agreement) -> float:
    """0 for perfect agreement; counts lost likeness and wrong people."""
    people = max(agreement.people, 1)
    return (1 - agreement.mean_oks) + (agreement.missed + agreement.extra) / people


def _costliest_first(layers: Layers, measure: Measure, say: Say) -> list[Layers]:
    groups = layer_groups(layers)
    say(f"a limit is broken: measures {len(groups)} groups of layers, each alone")
    costs = [cost(measure(group)) for group in groups]
    for group, value in zip(groups, costs, strict=True):
        say(f"  {group[0]} … {group[-1]}: cost {value:.4f}")
    ranked = sorted(zip(costs, range(len(groups)), strict=True), reverse=True)
    return [groups[place] for _, place in ranked]


def _try(layers: Layers, higher: Layers, measure: Measure, say: Say) -> LayerChoice:
    found = measure(layers)
    say(
        f"{len(layers)} layers quantised, {len(higher)} kept higher: OKS {found.mean_oks:.3f}, "
        f"mean {found.mean_px:.2f} px, {found.missed} missed, {found.extra} extra"
    )
    return LayerChoice(layers, higher, found)


def _holds(choice: LayerChoice, limits: AgreementLimits) -> bool:
    return judge(choice.agreement, limits)[0] is Judgement.PASSED
