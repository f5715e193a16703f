"""Frames to poses through several models."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.canvas_stage import EngineFactory
from engines.cascade.first_stage import PeopleSoFar, open_first_stage
from engines.cascade.followed_streams import FollowedStreams
from engines.cascade.models import CascadeModels
from engines.cascade.pose_boxes import joint_boxes
from engines.cascade.refinement import RefineBudget, doubtful_poses
from engines.cascade.rescoring import ScoreStage
from engines.cascade.settings import CascadeCounts, CascadeSettings, CascadeWatch
from engines.crop_stage import CropStage, PeopleInFrame
from engines.decoding.pose_scores import distinct_people, scores_in_boxes
from engines.engine import EngineSpec
from stream.clock import Clock
from stream.errors import ConfigError
from stream.frame import Frame
from stream.pose import FramePoses, Pose
from stream.skeleton import SKELETONS

Floats = NDArray[np.float32]
Opener = Callable[[Artefact], EngineFactory]
"""Opens the engines of a model."""

CARRIED_SHARE = np.float32(0.5)
"""People with so much of the score that makes a person are carried on, unseen."""
DEFAULT_SETTINGS = CascadeSettings()
NOBODY_WATCHES = CascadeWatch()


class CascadeEstimator:
    """Implements `stream.estimator.Estimator` with a detector or a one-pass model, then others.

    A frame passes: search, or people carried from the frame before; one batch of crops of all
    people of all frames through the top-down model; scores of the papers (box times mean
    confidence) and suppression of doubles; one batch of the poses to refine. What a frame gets does
    not depend on the frames it rides with; with `detect_every` above 1 it depends on the frames of
    its stream before, which must come in order, and with `refine_budget_seconds` on the clock.

    Args:
        models: what stands behind what.
        opener: opens the engines of each model.
        clock: measures the stages, and the time for refining.
        settings: how much is done in which frame.
        watch: told of times and counts.

    Raises:
        ConfigError: if people are to be carried where no top-down model finds them again.
    """

    def __init__(
        self,
        models: CascadeModels,
        opener: Opener,
        *,
        clock: Clock,
        settings: CascadeSettings = DEFAULT_SETTINGS,
        watch: CascadeWatch = NOBODY_WATCHES,
    ) -> None:
        self._models, self._clock = models, clock
        self._settings, self._watch = settings, watch
        first = models.first
        self._first = open_first_stage(first, opener(first), clock, settings, watch)
        self._top_down = self._crop_stage("top_down", opener)
        self._refiner = self._crop_stage("refiner", opener)
        self._scorer = self._score_stage(opener)
        if settings.detect_every > 1 and self._top_down is None:
            raise ConfigError(
                f"cascade {models.name} has no top-down model to find people again between two "
                f"searches; leave out detect-every {settings.detect_every}, or add one"
            )
        self._streams = FollowedStreams(settings.detect_every)
        self._budget = RefineBudget(settings.refine_budget_seconds)
        self._least = np.float32(models.thresholds.min_score)
        self._skeleton = SKELETONS[models.scoring.manifest.skeleton]

    @property
    def model(self) -> str:
        """See `Estimator.model`: all names, as in `detector+graph_pcnn`."""
        return self._models.name

    @property
    def batch_size(self) -> int:
        """See `Estimator.batch_size`."""
        return self._settings.batch_size

    @property
    def engine_specs(self) -> tuple[EngineSpec, ...]:
        """The engines opened so far, in the order of the models."""
        after = (spec for stage in self._later_stages() for spec in stage.engine_specs)
        return (*self._first.engine_specs, *after)

    def prepare(self, width: int, height: int) -> EngineSpec:
        """Opens all engines for frames of that size (pixels) now; gives the first one.

        Raises:
            EngineError: if one cannot be opened.
        """
        for stage in self._later_stages():
            stage.prepare()
        return self._first.prepare(width, height)

    def estimate(self, frames: Sequence[Frame]) -> list[FramePoses]:
        """See `Estimator.estimate`; frames of several streams and sizes may be mixed.

        A batch that fails changes nothing: it may be tried again.

        Raises:
            EngineError: also if a model gives NaN or infinity, or after `close`.
        """
        found: dict[int, PeopleSoFar] = {}
        counts, streams = CascadeCounts(), self._streams.copy()
        for rows in self._rounds(frames):
            people, taken = self._round([frames[row] for row in rows], streams)
            found.update(zip(rows, people, strict=True))
            counts = counts.plus(taken)
        self._streams = streams
        self._watch.count(counts)
        return [_frame_poses(frame, found[row]) for row, frame in enumerate(frames)]

    def close(self) -> None:
        """See `Estimator.close`."""
        self._first.close()
        for stage in self._later_stages():
            stage.close()

    def _later_stages(self) -> list[CropStage | ScoreStage]:
        stages = (self._top_down, self._refiner, self._scorer)
        return [stage for stage in stages if stage is not None]

    def _score_stage(self, opener: Opener) -> ScoreStage | None:
        artefact = self._models.of("scorer")
        if artefact is None:
            return None
        return ScoreStage(
            artefact, opener(artefact), clock=self._clock, observe=self._watch.observe
        )

    def _crop_stage(self, stage: str, opener: Opener) -> CropStage | None:
        artefact = self._models.of("refiner" if stage == "refiner" else "top_down")
        if artefact is None:
            return None
        return CropStage(
            artefact,
            artefact.manifest.stage,
            opener(artefact),
            clock=self._clock,
            observe=self._watch.observe,
        )

    def _rounds(self, frames: Sequence[Frame]) -> Iterator[list[int]]:
        """Rows that can be worked on together: all, or one a stream where people are carried."""
        if self._settings.detect_every == 1:
            yield list(range(len(frames)))
            return
        turns: dict[int, list[int]] = defaultdict(list)
        seen: dict[str, int] = defaultdict(int)
        for row, frame in enumerate(frames):
            turns[seen[frame.stream]].append(row)
            seen[frame.stream] += 1
        yield from turns.values()

    def _round(
        self, frames: Sequence[Frame], streams: FollowedStreams
    ) -> tuple[list[PeopleSoFar], CascadeCounts]:
        people, counts = self._candidates(frames, streams)
        if self._top_down is not None:
            people = self._with_poses(self._top_down, frames, people)
        if self._refiner is not None:
            people, refined = self._refined(self._refiner, frames, people)
            counts = counts.plus(refined)
        if self._top_down is not None:
            people = [self._distinct(self._top_down, one) for one in people]
        if self._settings.detect_every > 1:
            for frame, one in zip(frames, people, strict=True):
                streams.follow(frame, one, _poses(one))
            people = [one.chosen(np.flatnonzero(one.scores >= self._least)) for one in people]
        if self._scorer is not None:  # after `follow`: who is carried on is judged as ever
            people = self._scorer.run(people, self._least)
        return people, counts

    def _candidates(
        self, frames: Sequence[Frame], streams: FollowedStreams
    ) -> tuple[list[PeopleSoFar], CascadeCounts]:
        """Who may be in each frame: searched, or carried from the one before."""
        every = self._settings.detect_every == 1
        due = [row for row, frame in enumerate(frames) if every or streams.is_due(frame)]
        searched = dict(zip(due, self._first.find([frames[row] for row in due]), strict=True))
        people = [
            searched[row] if row in searched else streams.carried(frame)
            for row, frame in enumerate(frames)
        ]
        detected = sum(len(one.box_scores) for one in searched.values())
        total = sum(len(one.box_scores) for one in people)
        return people, CascadeCounts(detected=detected, carried=total - detected)

    def _with_poses(
        self, top_down: CropStage, frames: Sequence[Frame], people: Sequence[PeopleSoFar]
    ) -> list[PeopleSoFar]:
        """Those with a pose that is sure enough, and their scores."""
        shown = [
            PeopleInFrame(frame, one.boxes_px) for frame, one in zip(frames, people, strict=True)
        ]
        # Who is doubtful in one frame may be sure in the next one: it is carried, but not told.
        least = self._least * (CARRIED_SHARE if self._settings.detect_every > 1 else 1)
        found = []
        for one, poses in zip(people, top_down.run(shown), strict=True):
            scores = scores_in_boxes(poses, one.box_scores).clip(0, 1)
            whole = replace(one, poses=poses, scores=scores)
            found.append(whole.chosen(np.flatnonzero(scores >= least)))
        return found

    def _refined(
        self, refiner: CropStage, frames: Sequence[Frame], people: Sequence[PeopleSoFar]
    ) -> tuple[list[PeopleSoFar], CascadeCounts]:
        """Poses that need it, looked at again; a joint keeps the confidence it had (PoseFix)."""
        wanted = [doubtful_poses(one.poses, self._settings.refine_below) for one in people]
        allowed = self._budget.share_out(wanted)
        shown = [
            _around_joints(frame, one.poses[rows])
            for frame, one, rows in zip(frames, people, allowed, strict=True)
        ]
        start = self._clock.monotonic()
        moved = refiner.run(shown)
        refined = sum(map(len, allowed))
        self._budget.spent(refined, self._clock.monotonic() - start)
        asked, total = sum(map(len, wanted)), sum(len(one.poses) for one in people)
        counts = CascadeCounts(refined=refined, over_budget=asked - refined, spared=total - asked)
        parts = zip(people, allowed, moved, strict=True)
        return [_with_places(one, rows, poses) for one, rows, poses in parts], counts

    def _distinct(self, top_down: CropStage, people: PeopleSoFar) -> PeopleSoFar:
        """Without doubles, best first."""
        areas = top_down.areas_px2(people.boxes_px)
        return people.chosen(distinct_people(people.poses, people.scores, areas, self._skeleton))


def _around_joints(frame: Frame, poses: Floats) -> PeopleInFrame:
    # The papers take places of joints for those of edges.
    return PeopleInFrame(frame, joint_boxes(poses) - np.float32(0.5), poses)


def _with_places(people: PeopleSoFar, rows: NDArray[np.intp], moved: Floats) -> PeopleSoFar:
    poses = people.poses.copy()
    poses[rows, :, :2] = moved[..., :2]
    return replace(people, poses=poses)


def _poses(people: PeopleSoFar) -> tuple[Pose, ...]:
    return tuple(
        Pose(pose[:, :2].copy(), pose[:, 2].copy(), float(score))
        for pose, score in zip(people.poses, people.scores, strict=True)
    )


def _frame_poses(frame: Frame, people: PeopleSoFar) -> FramePoses:
    return FramePoses(frame.stream, frame.epoch, frame.index, _poses(people))
