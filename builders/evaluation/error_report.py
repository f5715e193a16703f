"""Where a system loses: errors of joints and of people, and what each kind costs in AP.

After Ronchi and Perona (ICCV 2017), see `joint_errors`. Left out: the optimal score. Different:
background errors are judged at OKS 0.5 alone, after all joints were corrected.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from builders.evaluation.coco_eval import LARGE_PX2, MEDIUM_PX2, average_precision
from builders.evaluation.joint_errors import (
    CORRECTION_ORDER,
    JointError,
    JointVerdicts,
    PictureTruth,
    corrected,
    joint_verdicts,
)
from builders.evaluation.labels import Labels, Record
from builders.evaluation.matching import Match, Matching, Who, match_people
from builders.evaluation.people import Floats, People
from stream.oks import object_keypoint_similarity, pose_area_px2

MIN_LOCALISED = 0.1
"""From this OKS on, a person found stands for the labelled one, however bad its joints are."""
MIN_FOUND = 0.5
"""From this OKS on, a labelled person counts as found."""
SIZES = ("small", "medium", "large")
"""Areas below 32^2 px^2, up to 96^2 and above, as COCO divides them."""
SCORES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

JointCounts = dict[str, int]
"""Labelled joints of the people found, by `JointError`."""


@dataclass(frozen=True, slots=True)
class PeopleCounts:
    """People of one size."""

    people: int
    """Labelled, with joints."""
    missed: int
    """Of these, nobody was found there."""
    false: int
    """Found where nobody is, or where somebody was found already."""
    doubles: int
    """Of the false: those on somebody who was found already (OKS 0.1 or more)."""


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """What is left if people found with a lower score are dropped."""

    from_score: float
    found: int
    """Labelled people found at OKS 0.5 or more."""
    false: int
    """Other people found."""


@dataclass(frozen=True, slots=True)
class PictureCounts:
    """What went wrong in one picture."""

    file_name: str
    people: int
    missed: int
    false: int
    joints: JointCounts


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """See the module."""

    joints: dict[str, JointCounts]
    """By the name of the joint."""
    sizes: dict[str, JointCounts]
    """By the size of the labelled person."""
    total: JointCounts
    people: dict[str, PeopleCounts]
    """By size."""
    ap_after: dict[str, float]
    """AP as `found`, then after each kind of error was mended, one on top of the other."""
    by_score: tuple[ScoreCounts, ...]
    pictures: tuple[PictureCounts, ...]

    def as_json(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A matched person, judged."""

    match: Match
    record: Record
    verdicts: JointVerdicts

    def counts(self) -> JointCounts:
        known = Counter(str(error) for error in self.verdicts.errors if error)
        return {str(error): known[error] for error in JointError}


def error_report(labels: Labels, found: Mapping[int, People]) -> ErrorReport:
    """Judges all people found in a set, by picture id."""
    judged = _judge(labels, found)
    mended = _mended(labels, found, judged, CORRECTION_ORDER)
    background = match_people(labels, mended, MIN_FOUND)
    return ErrorReport(
        joints=_by_joint(labels, judged),
        sizes={size: _sum(j for j in judged if _size(j.record["area"]) == size) for size in SIZES},
        total=_sum(judged),
        people={size: _people_of_size(labels, found, background, size) for size in SIZES},
        ap_after=_ap_after(labels, found, judged, background),
        by_score=_by_score(match_people(labels, found, MIN_FOUND), found),
        pictures=_by_picture(labels, judged, background),
    )


def _judge(labels: Labels, found: Mapping[int, People]) -> list[_Judged]:
    records = {person["id"]: person for person in labels.people}
    by_picture: dict[int, list[Record]] = {}
    for person in labels.people:
        by_picture.setdefault(person["image_id"], []).append(person)
    judged = []
    for match in match_people(labels, found, MIN_LOCALISED).matches:
        image, index = match.who
        everybody = by_picture[image]
        own = everybody.index(records[match.label])
        points = found[image][0][index, :, :2].astype(np.float64)
        verdicts = joint_verdicts(points, _truth(everybody), own, labels.skeleton)
        judged.append(_Judged(match, records[match.label], verdicts))
    return judged


def _truth(records: list[Record]) -> PictureTruth:
    keypoints = np.array([record["keypoints"] for record in records]).reshape(len(records), -1, 3)
    return PictureTruth(keypoints, np.array([record["area"] for record in records]))


def _mended(
    labels: Labels,
    found: Mapping[int, People],
    judged: list[_Judged],
    kinds: Collection[JointError],
) -> dict[int, People]:
    """The people found, with some kinds of errors corrected."""
    mended = {image: (people.copy(), scores) for image, (people, scores) in found.items()}
    for item in judged:
        image, index = item.match.who
        person = mended[image][0][index]
        person[:, :2] = corrected(
            person[:, :2].astype(np.float64),
            item.verdicts,
            _truth([item.record]),
            kinds,
            labels.skeleton,
        )
    return mended


def _ap_after(
    labels: Labels, found: Mapping[int, People], judged: list[_Judged], background: Matching
) -> dict[str, float]:
    steps = {"found": average_precision(labels, found)}
    mended: Mapping[int, People] = found
    for count, kind in enumerate(CORRECTION_ORDER, start=1):
        mended = _mended(labels, found, judged, CORRECTION_ORDER[:count])
        steps[str(kind)] = average_precision(labels, mended)
    true_people = _without(mended, background.false)
    steps["false_people"] = average_precision(labels, true_people)
    reached = tuple(person for person in labels.people if person["id"] not in background.missed)
    steps["missed_people"] = average_precision(replace(labels, people=reached), true_people)
    return steps


def _without(found: Mapping[int, People], left_out: Collection[Who]) -> dict[int, People]:
    kept = {
        image: np.array([(image, index) not in left_out for index in range(len(scores))], bool)
        for image, (_, scores) in found.items()
    }
    return {image: (p[kept[image]], scores[kept[image]]) for image, (p, scores) in found.items()}


def _by_joint(labels: Labels, judged: list[_Judged]) -> dict[str, JointCounts]:
    counts = {joint: dict.fromkeys(map(str, JointError), 0) for joint in labels.skeleton.joints}
    for item in judged:
        for joint, error in zip(labels.skeleton.joints, item.verdicts.errors, strict=True):
            if error:
                counts[joint][error] += 1
    return counts


def _sum(judged: Any) -> JointCounts:
    total: Counter[str] = Counter()
    for item in judged:
        total.update(item.counts())
    return {str(error): total[error] for error in JointError}


def _size(area_px2: float) -> str:
    if area_px2 < MEDIUM_PX2[0]:
        return SIZES[0]
    return SIZES[1] if area_px2 < LARGE_PX2[0] else SIZES[2]


def _people_of_size(
    labels: Labels, found: Mapping[int, People], background: Matching, size: str
) -> PeopleCounts:
    asked = [person for person in labels.counted() if _size(person["area"]) == size]
    false = [
        who
        for who in background.false
        if _size(float(pose_area_px2(_points(found, who))[0])) == size
    ]
    return PeopleCounts(
        people=len(asked),
        missed=sum(person["id"] in background.missed for person in asked),
        false=len(false),
        doubles=sum(_on_somebody(labels, found, who) for who in false),
    )


def _points(found: Mapping[int, People], who: Who) -> Floats:
    """(1, J, 2) of one person found."""
    image, index = who
    return found[image][0][index : index + 1, :, :2]


def _on_somebody(labels: Labels, found: Mapping[int, People], who: Who) -> bool:
    records = [person for person in labels.counted() if person["image_id"] == who[0]]
    if not records:
        return False
    truth = _truth(records)
    similarity = object_keypoint_similarity(
        truth.keypoints[..., :2].astype(np.float32),
        _points(found, who),
        (truth.keypoints[..., 2] > 0).astype(np.float32),
        truth.areas_px2.astype(np.float32),
        labels.skeleton.sigmas,
    )
    return bool(similarity.max() >= MIN_LOCALISED)


def _by_score(matching: Matching, found: Mapping[int, People]) -> tuple[ScoreCounts, ...]:
    hits = np.array([_score(found, match.who) for match in matching.matches])
    false = np.array([_score(found, who) for who in matching.false])
    return tuple(
        ScoreCounts(score, int((hits >= score).sum()), int((false >= score).sum()))
        for score in SCORES
    )


def _score(found: Mapping[int, People], who: Who) -> float:
    image, index = who
    return float(found[image][1][index])


def _by_picture(
    labels: Labels, judged: list[_Judged], background: Matching
) -> tuple[PictureCounts, ...]:
    asked = labels.counted()
    return tuple(
        PictureCounts(
            file_name=picture["file_name"],
            people=sum(person["image_id"] == picture["id"] for person in asked),
            missed=sum(
                person["image_id"] == picture["id"] and person["id"] in background.missed
                for person in asked
            ),
            false=sum(image == picture["id"] for image, _ in background.false),
            joints=_sum(item for item in judged if item.match.who[0] == picture["id"]),
        )
        for picture in labels.pictures
    )
