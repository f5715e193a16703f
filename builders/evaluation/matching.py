"""Which person found is which labelled person, decided as COCO's evaluation decides it."""

from collections.abc import Mapping
from dataclasses import dataclass

from builders.evaluation.coco_eval import EVERY_SIZE_PX2, keypoint_evaluation, quiet
from builders.evaluation.labels import Labels
from builders.evaluation.people import People

Who = tuple[int, int]
"""A person found: the picture's id, and the index among the people found in it."""


@dataclass(frozen=True, slots=True)
class Match:
    """A person found and the labelled person it stands for."""

    who: Who
    label: int
    """`id` of the labelled person."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Every person found that COCO looks at is in exactly one of `matches`, `ignored`, `false`."""

    matches: tuple[Match, ...]
    """With people who count."""
    ignored: frozenset[Who]
    """With a crowd, or with a person none of whose joints is labelled."""
    false: frozenset[Who]
    """With nobody."""
    missed: frozenset[int]
    """`id` of labelled people who count and were not found."""


def match_people(labels: Labels, found: Mapping[int, People], min_oks: float) -> Matching:
    """Best score first, each takes the free person most like it, at least `min_oks`.

    At most 20 people of a picture are looked at.
    """
    evaluation = keypoint_evaluation(labels, found)
    evaluation.params.iouThrs = [min_oks]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [list(EVERY_SIZE_PX2)], ["all"]
    with quiet():
        evaluation.evaluate()
    names = [(image, index) for image, (people, _) in found.items() for index in range(len(people))]
    matches: list[Match] = []
    ignored: set[Who] = set()
    false: set[Who] = set()
    for picture in filter(None, evaluation.evalImgs):
        rows = zip(picture["dtIds"], picture["dtMatches"][0], picture["dtIgnore"][0], strict=True)
        for number, label, is_ignored in rows:
            who = names[int(number) - 1]
            if is_ignored:
                ignored.add(who)
            elif label:
                matches.append(Match(who, int(label)))
            else:
                false.add(who)
    missed = {p["id"] for p in labels.counted()} - {match.label for match in matches}
    return Matching(tuple(matches), frozenset(ignored), frozenset(false), frozenset(missed))
