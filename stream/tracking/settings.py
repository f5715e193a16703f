"""What can be set about tracking."""

from dataclasses import dataclass

from stream.errors import ConfigError
from stream.tracking.smoothing import SmoothingSettings


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """When poses become tracks, when they match, when they are given up."""

    start_score: float = 0.3
    """Poses from here on may start a track; weaker ones only continue one."""
    confirm_score: float = 0.4
    """A pose from here on is a person at first sight and gets its id at once."""
    confirm_hits: int = 2
    """A weaker start is withheld until it was seen in so many frames in a row."""
    beside_similarity: float = 0.1
    """A start this alike to a person who is followed may be a double of that person."""
    beside_seconds: float = 0.75
    """It gets an id when it was seen for so long without a gap, or when the two have parted. With
    half a second ids of `bottom_up` switch 44 times instead of 37 on the street
    (docs/accuracy.md)."""
    min_similarity: float = 0.1
    """Gate for strong poses, in [0, 1]."""
    min_similarity_weak: float = 0.3
    """Gate for weak poses."""
    min_overlap: float = 0.3
    """Gate for the boxes of a strong pose that is like nobody and a person without one: half-hidden
    and small people get joints all over, but stand where they stood."""
    lost_seconds: float = 1.5
    """How long a track waits for its person to come back."""
    max_tracks: int = 256
    """Bounds memory and time: beyond, the tracks that were not seen for longest are given up."""
    smoothing: SmoothingSettings | None = None
    """Smooths what leaves the tracker; association always sees the measured poses."""

    def __post_init__(self) -> None:
        """Refuses scores out of order and numbers without meaning."""
        if not 0 <= self.start_score <= self.confirm_score <= 1:
            raise ConfigError(f"expected 0 <= start_score <= confirm_score <= 1, got {self}")
        gates = (
            self.min_similarity,
            self.min_similarity_weak,
            self.beside_similarity,
            self.min_overlap,
        )
        if not all(0 < gate <= 1 for gate in gates):
            raise ConfigError(f"similarity gates must lie in (0, 1], got {self}")
        times = (self.lost_seconds, self.beside_seconds)
        if self.confirm_hits < 1 or self.max_tracks < 1 or not all(one >= 0 for one in times):
            raise ConfigError(
                "expected confirm_hits and max_tracks >= 1, lost_seconds and beside_seconds >= 0, "
                f"got {self}"
            )


def settings_for_model(
    start_score: float, smoothing: SmoothingSettings | None = None
) -> TrackerSettings:
    """Settings for a model whose poses are a person by themselves from `start_score` on.

    Poses below, if the model's `min_score` lets them through, only continue tracks; those just
    above are withheld until they are seen twice.
    """
    confirm_score = start_score + 0.15 * (1 - start_score)
    return TrackerSettings(start_score, confirm_score, smoothing=smoothing)
