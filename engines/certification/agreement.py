"""How the people of an engine differ from those of the reference; pure."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from stream.oks import object_keypoint_similarity, pose_area_px2

Floats = NDArray[np.float32]

WEAK_SHARE = 0.8
"""Candidates are kept down to this share of the score that makes a person. Someone at the border
is no disagreement: missed is whom the other side has not even as a weak candidate."""
ALIKE_OKS = 0.5
"""Two poses this alike are one person."""
SEEN = 0.2
"""Joints that the reference is less sure of are not compared."""
FAR_PX = 4.0
"""A joint this far off (canvas pixels) took another place, it was not merely rounded."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The people of one picture, weak ones too, doubles suppressed."""

    keypoints: Floats
    """(N, 17, 3) x, y in canvas pixels, confidence."""
    scores: Floats
    """(N,)"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Figures over a picture set; distances in canvas pixels, over joints that are seen."""

    people: int
    """Of the reference."""
    missed: int
    extra: int
    mean_px: float
    p95_px: float
    worst_px: float
    far_share: float
    """Joints more than FAR_PX off."""
    mean_oks: float
    worst_oks: float

    def as_json(self) -> dict[str, float]:
        """Rounded, for a certificate."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Comparison:
    """One picture."""

    missed: int
    extra: int
    oks: list[float]
    apart_px: list[Floats]


def compare(
    reference: Sequence[Candidates],
    found: Sequence[Candidates],
    *,
    min_score: float,
    sigmas: Floats,
) -> Agreement:
    """Each person of the reference with the most alike one of the engine, picture by picture."""
    pictures = [
        _compare_picture(one, other, np.float32(min_score), sigmas)
        for one, other in zip(reference, found, strict=True)
    ]
    oks = np.array([value for picture in pictures for value in picture.oks], np.float32)
    some = [values for picture in pictures for values in picture.apart_px]
    apart_px = np.concatenate([*some, np.zeros(0, np.float32)])
    missed = sum(picture.missed for picture in pictures)
    return Agreement(
        people=missed + len(oks),
        missed=missed,
        extra=sum(picture.extra for picture in pictures),
        mean_px=_figure(apart_px.mean, apart_px),
        p95_px=_figure(lambda: np.percentile(apart_px, 95), apart_px),
        worst_px=_figure(apart_px.max, apart_px),
        far_share=_figure((apart_px > FAR_PX).mean, apart_px),
        mean_oks=_figure(oks.mean, oks),
        worst_oks=_figure(oks.min, oks),
    )


def _compare_picture(
    reference: Candidates, found: Candidates, min_score: np.float32, sigmas: Floats
) -> _Comparison:
    alike = _alike(reference, found, sigmas)  # (R, F)
    people = np.flatnonzero(reference.scores >= min_score)
    matched = [row for row in people if _best(alike[row]) >= ALIKE_OKS]
    best = [int(alike[row].argmax()) for row in matched]
    claimed = np.flatnonzero(found.scores >= min_score)
    return _Comparison(
        missed=len(people) - len(matched),
        extra=sum(_best(alike[:, column]) < ALIKE_OKS for column in claimed),
        oks=[float(alike[row, column]) for row, column in zip(matched, best, strict=True)],
        apart_px=[
            _apart_px(reference.keypoints[row], found.keypoints[column])
            for row, column in zip(matched, best, strict=True)
        ],
    )


def _alike(reference: Candidates, found: Candidates, sigmas: Floats) -> Floats:
    points = reference.keypoints[..., :2]
    weights = (reference.keypoints[..., 2] >= SEEN).astype(np.float32)
    return object_keypoint_similarity(
        points, found.keypoints[..., :2], weights, pose_area_px2(points), sigmas
    )


def _apart_px(one: Floats, other: Floats) -> Floats:
    seen = one[:, 2] >= SEEN
    apart: Floats = np.linalg.norm(one[seen, :2] - other[seen, :2], axis=-1).astype(np.float32)
    return apart


def _best(values: Floats) -> float:
    return float(values.max()) if values.size else 0.0


def _figure(figure: Callable[[], SupportsFloat], over: Floats) -> float:
    """0 where there is nothing to take a figure of: `people` says so."""
    return float(figure()) if over.size else 0.0
