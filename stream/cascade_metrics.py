"""What cascades tell of their work, for Prometheus."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram

PREFIX = "posestream_cascade"
BOXES = ("detected", "carried")
REFINEMENTS = ("refined", "over_budget", "spared")
CROP_BUCKETS = (0, 1, 2, 4, 8, 16, 32, 64, 128)


class CascadeMetrics:
    """The metrics of cascades; 0 where none runs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._people = Counter(
            f"{PREFIX}_people_total",
            "People shown to the top-down model, by where their box came from.",
            ("box",),
            registry=registry,
        )
        self._refinements = Counter(
            f"{PREFIX}_refinements_total",
            "Poses that a refiner could see, by what became of them.",
            ("outcome",),
            registry=registry,
        )
        self._crops = Histogram(
            f"{PREFIX}_crops",
            "People of a batch of frames that rode through the top-down model together.",
            buckets=CROP_BUCKETS,
            registry=registry,
        )
        for box in BOXES:
            self._people.labels(box)
        for outcome in REFINEMENTS:
            self._refinements.labels(outcome)

    def worked(self, counts: Mapping[str, int]) -> None:
        """A batch of frames took this; the names are those of `BOXES` and `REFINEMENTS`."""
        for box in BOXES:
            self._people.labels(box).inc(counts[box])
        for outcome in REFINEMENTS:
            self._refinements.labels(outcome).inc(counts[outcome])
        self._crops.observe(sum(counts[box] for box in BOXES))
