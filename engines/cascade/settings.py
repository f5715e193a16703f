"""What can be set about cascades, and what they tell of their work."""

from collections.abc import Callable
from dataclasses import dataclass

from engines.canvas_stage import Observer, observe_nothing
from stream.errors import ConfigError


@dataclass(frozen=True, slots=True)
class CascadeSettings:
    """How much of the work is done in which frame; the defaults leave nothing out."""

    batch_size: int = 1
    """Frames in one call; their people ride in one batch of crops."""
    detect_every: int = 1
    """Frames from one search for people to the next; between them the people known are followed.
    Whoever comes in between is found at the next search."""
    refine_below: float = 1.0
    """Poses whose mean confidence is at most this are refined, and those in crowds; 1 is all."""
    refine_budget_seconds: float | None = None
    """So long may refining take for a frame; the surest poses stay as they are when time is short.
    Results then depend on the speed of the machine. None: no limit."""

    def __post_init__(self) -> None:
        """Refuses numbers without meaning."""
        if self.batch_size < 1 or self.detect_every < 1:
            raise ConfigError(f"expected batch_size and detect_every of 1 or more, got {self}")
        if not 0 <= self.refine_below <= 1:
            raise ConfigError(f"refine_below: expected 0 to 1, got {self.refine_below}")
        if self.refine_budget_seconds is not None and not self.refine_budget_seconds > 0:
            raise ConfigError(f"refine_budget_seconds: expected more than 0, got {self}")


@dataclass(frozen=True, slots=True)
class CascadeCounts:
    """What a batch of frames took."""

    detected: int = 0
    """People whose box comes from a search in the frame."""
    carried: int = 0
    """People whose box comes from frames before."""
    refined: int = 0
    over_budget: int = 0
    """Poses that should have been refined, and were not for want of time."""
    spared: int = 0
    """Poses that a refiner leaves as they are: sure enough, and alone."""

    @property
    def crops(self) -> int:
        """People that rode through the top-down model together."""
        return self.detected + self.carried

    def plus(self, other: "CascadeCounts") -> "CascadeCounts":
        """The sum."""
        return CascadeCounts(
            self.detected + other.detected,
            self.carried + other.carried,
            self.refined + other.refined,
            self.over_budget + other.over_budget,
            self.spared + other.spared,
        )


def count_nothing(_counts: CascadeCounts) -> None:
    """For callers who do not count."""


@dataclass(frozen=True, slots=True)
class CascadeWatch:
    """Who is told of a cascade's work."""

    observe: Observer = observe_nothing
    """Told the seconds of each stage, once a batch."""
    count: Callable[[CascadeCounts], None] = count_nothing
    """Told what each batch of frames took."""
