"""How often people change their id, by whose poses are tracked, as a file for `results/`.

    python -m tests.bench.bench_switches --shared FOLDER [--kept FOLDER] [--out FILE.json]
        [--system bottom_up] [--system movenet_multipose_256] [--system DETECTOR+TOP_DOWN]

Street and laboratory clips, every frame, our tracker for everybody's poses. A peer's poses start a
track from the lowest score that leaves empty frames empty, and continue one from a share of it that
is the same for all; it is measured at other scores, too, so that nobody can say that it was held
badly. Who is who is the teacher's to say, and the eye's (`who_is_who.py`). With `--kept`, people
that were found once are not looked for again.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from builders.evaluation.clip_recall import MASK_SHARE_OF_BOX, MIN_JOINT_SCORE
from builders.evaluation.peers import PEERS
from engines.cascade.models import find_cascade
from stream.oks import object_keypoint_similarity
from stream.pose import FramePoses, Pose, TrackedPose
from stream.skeleton import COCO_17
from stream.tracking.settings import settings_for_model
from stream.tracking.tracker import Tracker
from tests.bench.bench_models import PEER_SCORES
from tests.bench.clip_poses import ClipPoses, Clips
from tests.bench.report import Figure, write_report
from tests.bench.switches import FrameIds, IdCounts, count_ids
from tests.bench.true_tracks import Seen
from tests.bench.who_is_who import read_truth

SYSTEMS = ("bottom_up", "bottom_up_fast", "movenet_multipose_256", "movenet_multipose_384")
PEER_START_SCORES = (0.15, 0.2, 0.25, 0.3)
WEAK_SHARE = 0.6
"""Of the score that starts a track, for poses that continue one: `bottom_up_fast`'s .25 of .42."""


@dataclass(frozen=True, slots=True)
class Scores:
    """From which score a pose is taken at all, and from which it starts a track."""

    least: float
    start: float


def scores_of(system: str) -> list[Scores]:
    """Our models' own; several for a peer, the one it has elsewhere first."""
    if system in PEERS:
        usual = [score for name, score in PEER_SCORES.items() if system.startswith(name)]
        starts = dict.fromkeys([*usual, *PEER_START_SCORES])
        return [Scores(WEAK_SHARE * start, start) for start in starts]
    thresholds = find_cascade(system).thresholds
    start = thresholds.min_score if thresholds.start_score is None else thresholds.start_score
    return [Scores(thresholds.min_score, start)]


def tracked(poses: ClipPoses, scores: Scores) -> Iterator[tuple[TrackedPose, ...]]:
    """What the tracker gives for each frame."""
    tracker = Tracker(settings_for_model(scores.start))
    frames = zip(poses.people, poses.seconds, strict=True)
    for index, ((keypoints, found), seconds) in enumerate(frames):
        people = tuple(
            Pose(one[:, :2].copy(), one[:, 2].clip(0, 1).copy(), float(min(score, 1)))
            for one, score in sorted(
                zip(keypoints, found, strict=True), key=lambda pair: -float(pair[1])
            )
            if score >= scores.least
        )
        yield tracker.update(FramePoses("clip", 0, index, people), float(seconds))


def frame_ids(true: dict[int, Seen], poses: Sequence[TrackedPose]) -> FrameIds:
    """Who is like whom in a frame."""
    seen = list(true.values())
    keypoints = np.array([one.keypoints for one in seen], np.float32).reshape(-1, 17, 3)
    found = np.array([one.pose.keypoints_px for one in poses], np.float32).reshape(-1, 17, 2)
    boxes = np.array([one.box for one in seen], np.float32).reshape(-1, 4)
    alike = object_keypoint_similarity(
        keypoints[..., :2],
        found,
        (keypoints[..., 2] >= MIN_JOINT_SCORE).astype(np.float32),
        MASK_SHARE_OF_BOX * (boxes[:, 2:] - boxes[:, :2]).prod(-1),
        COCO_17.sigmas,
    )
    return FrameIds(tuple(true), tuple(one.track for one in poses), alike)


def ids_in_clip(truth: dict[int, list[Seen]], poses: ClipPoses, scores: Scores) -> IdCounts:
    """All frames of a clip."""
    frames = []
    for index, found in enumerate(tracked(poses, scores)):
        true = {who: one for who, seen in truth.items() for one in seen if one.frame == index}
        frames.append(frame_ids(true, found))
    return count_ids(frames, float(poses.seconds[-1] - poses.seconds[0]))


def together(counts: Sequence[IdCounts]) -> IdCounts:
    """Several clips as one."""
    return IdCounts(*(sum(column) for column in zip(*map(_values, counts), strict=True)))


def _values(one: IdCounts) -> tuple[float, ...]:
    return tuple(getattr(one, name) for name in IdCounts.__slots__)


def figures(system: str, scores: Scores, part: str, counts: IdCounts) -> Iterator[Figure]:
    """Switches, and how many people had an id at all."""
    where = f"{system} from {scores.start:g}, {part}"
    found = counts.figures()
    yield Figure(f"Id switches a minute, {where}", found["switches a minute"], "1/min")
    yield Figure(
        f"Id switches a minute that a person is followed, {where}",
        found["switches a minute of a person"],
        "1/min",
    )
    yield Figure(f"People with an id, {where}", 100 * found["people with an id"], "%")


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--kept", type=Path, default=None)
    parser.add_argument("--system", action="append", default=[])
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    clips = Clips(options.shared, options.kept)
    truth = read_truth()
    shown: list[Figure] = []
    details = []
    for system in options.system or SYSTEMS:
        for scores in scores_of(system):
            for part, names in parts(tuple(truth)).items():
                each = [ids_in_clip(truth[one], clips.poses(one, system), scores) for one in names]
                counts = together(each)
                shown += figures(system, scores, part, counts)
                about = {"system": system, "start_score": scores.start, "least": scores.least}
                details.append(about | {"part": part, **counts.figures()})
    write_report("switches", shown, {"rows": details}, options.out)


def parts(clips: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Street and laboratory."""
    return {
        "street": tuple(clip for clip in clips if clip.startswith("street")),
        "laboratory": tuple(clip for clip in clips if clip.startswith("lab")),
    }


if __name__ == "__main__":
    main()
