"""What the histograms of the metrics say about the last minute, not about the whole past."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

WINDOW_SECONDS = 60.0
STEP_SECONDS = 5.0
Key = tuple[str, str]
"""Name of a histogram and the value of its only label, or nothing."""


@dataclass(frozen=True, slots=True)
class HistogramCounts:
    """A histogram: how many were below or at each bound, and the sum of all."""

    bounds: tuple[float, ...]
    """The last is infinity."""
    counts: tuple[float, ...]
    total: float

    @property
    def count(self) -> float:
        """How many there are."""
        return self.counts[-1] if self.counts else 0.0

    @property
    def mean(self) -> float | None:
        """None if there are none."""
        return self.total / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """Interpolated within its bucket, as Prometheus does it; None if there are none."""
        wanted = share * self.count
        if not self.count:
            return None
        below, lower = 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count >= wanted:
                if bound == float("inf"):
                    return lower
                return lower + (bound - lower) * (wanted - below) / max(count - below, 1e-9)
            below, lower = count, bound
        return lower

    def since(self, before: "HistogramCounts | None") -> "HistogramCounts":
        """What came since then."""
        if before is None or before.bounds != self.bounds:
            return self
        counts = tuple(b - a for b, a in zip(self.counts, before.counts, strict=True))
        return HistogramCounts(self.bounds, counts, self.total - before.total)


class RecentHistograms:
    """Looks at some histograms again and again."""

    def __init__(self, registry: CollectorRegistry, names: Sequence[str]) -> None:
        wanted = [f"{name}_{part}" for name in names for part in ("bucket", "sum")]
        self._registry = registry.restricted_registry(wanted)
        steps = round(WINDOW_SECONDS / STEP_SECONDS)
        self._kept: deque[tuple[float, Mapping[Key, HistogramCounts]]] = deque(maxlen=steps + 1)

    def look(self, now_seconds: float) -> None:
        """Keeps what is there now, unless it did so a moment ago."""
        if not self._kept or now_seconds - self._kept[-1][0] >= STEP_SECONDS:
            self._kept.append((now_seconds, self._read()))

    def recent(self) -> dict[Key, HistogramCounts]:
        """Of the last minute, or since the first look."""
        before = self._kept[0][1] if self._kept else {}
        return {key: counts.since(before.get(key)) for key, counts in self._read().items()}

    def _read(self) -> dict[Key, HistogramCounts]:
        buckets: dict[Key, list[tuple[float, float]]] = {}
        sums: dict[Key, float] = {}
        for family in self._registry.collect():
            for sample in family.samples:
                labels = dict(sample.labels)
                bound = labels.pop("le", None)
                key = (family.name, next(iter(labels.values()), ""))
                if bound is None:
                    sums[key] = sample.value
                else:
                    buckets.setdefault(key, []).append((float(bound), sample.value))
        return {key: _counts(found, sums.get(key, 0.0)) for key, found in buckets.items()}


def _counts(found: list[tuple[float, float]], total: float) -> HistogramCounts:
    found.sort()
    return HistogramCounts(
        tuple(bound for bound, _ in found), tuple(count for _, count in found), total
    )
