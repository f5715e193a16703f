"""The engine process of `posestream serve`: our engines at the end of the daemon's line."""

import logging
import sys
from dataclasses import asdict
from functools import partial, reduce

from pydantic import BaseModel, ConfigDict

from engines.cascade.models import find_cascade
from engines.cascade.settings import CascadeCounts
from stream.clock import Clock, SystemClock
from stream.commands.open_parts import EngineNews, fields_of, open_estimator
from stream.commands.run_settings import RunSettings
from stream.fleet.child import OrphanError, begin, end_at_once
from stream.fleet.engine_process import EngineServer, ModelOpener, Observe, OpenedModel
from stream.fleet.link import LinkError
from stream.logs import configure_logs
from stream.observer import ObserverGroup
from stream.pixel_copies import TrafficCounts
from stream.site_file.site_model import EngineSettings

FIRST_SIZE = 1280, 720
"""Frames of this shape find their engine ready."""


class EngineWords(BaseModel):
    """What the supervisor tells an engine process at its start."""

    model_config = ConfigDict(frozen=True)

    engine: EngineSettings
    log_level: int = logging.WARNING


class _StageObserver(ObserverGroup):
    """Hands on what an estimator tells."""

    def __init__(self, observe: Observe) -> None:
        super().__init__([])
        self._observe = observe

    def stage(self, stage: str, seconds: float) -> None:
        """See `Observer.stage`."""
        self._observe(stage, seconds)


def model_opener(wish: EngineSettings, clock: Clock) -> ModelOpener:
    """Opens models of the zoo, and those in folders of one's own, as the site wants."""

    def open_model(name: str, observe: Observe) -> OpenedModel:
        settings = RunSettings(
            source="serve",
            model=name,
            engine=wish.name,
            precision=wish.precision,
            threads=wish.threads,
            batch=wish.batch,
            detect_every=wish.cascade.detect_every,
            refine_below=wish.cascade.refine_below,
            refine_budget_seconds=wish.cascade.refine_budget_seconds,
        )
        traffic, work = TrafficCounts(), list[CascadeCounts]()
        news = EngineNews(traffic=traffic)
        estimator = open_estimator(
            settings, find_cascade(name), _StageObserver(observe), clock, news, work.append
        )
        estimator.prepare(*FIRST_SIZE)
        return OpenedModel(
            estimator,
            fields_of(estimator.engine_specs),
            news.parity_error_px,
            tuple((step.engine, step.refused.value) for step in news.steps_down),
            partial(_taken, work),
            tuple(news.fallbacks),
            traffic,
        )

    return open_model


def _taken(work: list[CascadeCounts]) -> dict[str, int]:
    """What there was to tell of since the last time; empty if nothing."""
    counts = [work.pop() for _ in range(len(work))]
    return asdict(reduce(CascadeCounts.plus, counts)) if counts else {}


def main(arguments: list[str]) -> None:
    """The process, from its begin to its end."""
    parent = begin(arguments)
    words = EngineWords.model_validate_json(parent.words[0])
    configure_logs(words.log_level)
    clock, code = SystemClock(), 0
    try:
        EngineServer(parent, model_opener(words.engine, clock), clock).run()
    except (OrphanError, LinkError):
        code = 1
    end_at_once(code)


if __name__ == "__main__":
    main(sys.argv[1:])
