"""The engine process: maps the decoders' memory, finds people, says who; one batch at a time.

It knows no engine: whoever starts it brings `OpenModel` (the command line does).
"""

import logging
import select
from collections.abc import Callable
from dataclasses import dataclass, field

from stream.clock import Clock
from stream.errors import EngineError, PoseStreamError
from stream.estimator import Estimator
from stream.fleet.child import SIGN_SECONDS, Parent
from stream.fleet.link import Parcel
from stream.fleet.messages import (
    Alive,
    BatchFailed,
    FrameReady,
    InferFrames,
    MapSegment,
    ModelReady,
    ModelRefused,
    OpenModel,
    PeopleFound,
    Stop,
    UnmapSegment,
)
from stream.fleet.outbox import Outbox
from stream.fleet.people_table import to_table
from stream.fleet.segment import SegmentView
from stream.frame import Frame
from stream.picture import ColourSpace
from stream.pixel_copies import TrafficCounts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """What runs a model, and what is to be told of it."""

    estimator: Estimator
    fields: dict[str, str] = field(default_factory=dict)
    parity_error_px: float | None = None
    """Mean distance from the reference, in its certificate."""
    steps_down: tuple[tuple[str, str], ...] = ()
    """Engine and precision of what was refused before."""
    take_counts: Callable[[], dict[str, int]] = dict
    """What there is to count since the last time (`stream.cascade_metrics`)."""
    fallbacks: tuple[tuple[str, str], ...] = ()
    """Engines that could not be opened, and why."""
    traffic: TrafficCounts = field(default_factory=TrafficCounts)
    """Copies of pixels and bytes of results since the last time."""


Observe = Callable[[str, float], None]
"""Told the seconds of a stage."""
ModelOpener = Callable[[str, Observe], OpenedModel]
"""Gives what runs the model of that name; raises `PoseStreamError` if nothing does."""


def shared_frame(ready: FrameReady, view: SegmentView) -> Frame:
    """The frame with its picture in shared memory.

    Raises:
        SegmentError: if the memory has no room for such a picture.
        PoseError: if it cannot be a frame.
    """
    size = ready.width, ready.height
    space = ColourSpace[ready.colour_space]
    return Frame(
        ready.stream,
        ready.epoch,
        ready.index,
        ready.pts_seconds,
        ready.capture_seconds,
        view.picture(ready.slot, size, space, full_range=ready.full_range),
    )


class EngineServer:
    """Answers the supervisor."""

    def __init__(self, parent: Parent, open_model: ModelOpener, clock: Clock) -> None:
        self._parent, self._open_model, self._clock = parent, open_model, clock
        self._outbox = Outbox(parent.link)
        self._views: dict[int, SegmentView] = {}
        """By number; the supervisor says when one is to go."""
        self._models: dict[str, OpenedModel] = {}
        self._stages: list[tuple[str, float]] = []
        self._sign_due = float("-inf")
        self._is_over = False

    def run(self) -> None:
        """Until told to stop, or the supervisor is gone."""
        while not self._is_over:
            self._parent.check()
            self._show_sign()
            link = self._parent.link
            readable, _, _ = select.select([link], [link] * link.has_more, [], SIGN_SECONDS)
            self._outbox.flush()
            for parcel in link.receive() if readable else []:
                self._obey(parcel)
        for model in self._models.values():
            model.estimator.close()

    def _show_sign(self) -> None:
        now = self._clock.monotonic()
        if now >= self._sign_due:
            self._sign_due = now + SIGN_SECONDS
            self._outbox.put(Alive())

    def _obey(self, parcel: Parcel) -> None:
        message = parcel.message
        if isinstance(message, InferFrames):
            self._infer(message)
        elif isinstance(message, OpenModel):
            self._open(message.model)
        elif isinstance(message, MapSegment):
            with parcel.owned_fd() as fd:
                view = SegmentView(fd, message.slots, message.slot_bytes)
            self._views[message.segment] = view
        elif isinstance(message, UnmapSegment):
            self._views.pop(message.segment, None)
        elif isinstance(message, Stop):
            self._is_over = True

    def _open(self, name: str) -> None:
        begun = self._clock.monotonic()
        try:
            if name not in self._models:
                self._models[name] = self._open_model(name, self._observe)
        except PoseStreamError as error:
            self._outbox.put(ModelRefused(model=name, words=str(error)))
            return
        model = self._models[name]
        ready = ModelReady(
            model=name,
            fields=model.fields,
            open_seconds=self._clock.monotonic() - begun,
            parity_error_px=model.parity_error_px,
            steps_down=model.steps_down,
            fallbacks=model.fallbacks,
        )
        self._outbox.put(ready)

    def _infer(self, order: InferFrames) -> None:
        self._stages.clear()
        try:
            frames = [shared_frame(ready, self._views[ready.segment]) for ready in order.frames]
            found = self._models[order.model].estimator.estimate(frames)
            self._check_untouched(order)
        except (PoseStreamError, LookupError) as error:
            self._outbox.put(BatchFailed(batch=order.batch, words=str(error)))
            return
        table, people, joints = to_table(found)
        model = self._models[order.model]
        done = PeopleFound(
            batch=order.batch,
            people=people,
            joints=joints,
            stages=tuple(self._stages),
            cascade=model.take_counts(),
            copies={
                step: (pictures, model.traffic.copied_bytes[step])
                for step, pictures in model.traffic.pictures.items()
            },
            result_bytes=dict(model.traffic.result_bytes),
        )
        model.traffic.forget()
        self._outbox.put(done, table)

    def _check_untouched(self, order: InferFrames) -> None:
        """People found in a picture that was overwritten meanwhile are nobody's."""
        for ready in order.frames:
            if self._views[ready.segment].generation(ready.slot) != ready.generation:
                raise EngineError(
                    f"the picture of {ready.stream} frame {ready.index} was overwritten while it "
                    "was read; this is a fault of posestream, report it"
                )

    def _observe(self, stage: str, seconds: float) -> None:
        self._stages.append((stage, seconds))
