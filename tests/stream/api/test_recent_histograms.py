import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from stream.api.recent_histograms import WINDOW_SECONDS, HistogramCounts, RecentHistograms
from stream.metrics import Metrics, Stage, new_registry

INFER = ("posestream_stage_seconds", "infer")
BOUNDS = (0.1, 0.5, 1.0, float("inf"))


def recent(registry: CollectorRegistry) -> RecentHistograms:
    return RecentHistograms(registry, ["posestream_stage_seconds"])


def test_only_the_last_minute_counts() -> None:
    registry = new_registry()
    metrics, histograms = Metrics(registry, "test"), recent(registry)
    now = 0.0
    while now < WINDOW_SECONDS + 30:
        metrics.stage_done(Stage.INFER, 2.0 if now < 20 else 0.02)
        histograms.look(now)
        now += 1.0
    found = histograms.recent()[INFER]
    assert found.count < 70
    assert found.mean == pytest.approx(0.02)
    assert (found.quantile(0.99) or 0) <= 0.025


def test_before_anything_happened_there_is_nothing_to_tell() -> None:
    registry = new_registry()
    Metrics(registry, "test")
    found = recent(registry).recent()[INFER]
    assert found.count == 0
    assert found.mean is found.quantile(0.5) is None


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.floats(0.01, 0.99))
def test_a_quantile_lies_within_its_bucket(counts: list[int], share: float) -> None:
    total = [sum(counts[: i + 1]) for i in range(4)]
    histogram = HistogramCounts(BOUNDS, tuple(map(float, total)), 1.0)
    found = histogram.quantile(share)
    if not total[-1]:
        assert found is None
        return
    place = next(i for i, count in enumerate(total) if count >= share * total[-1])
    lower = BOUNDS[place - 1] if place else 0.0
    assert found is not None
    assert lower <= found <= (BOUNDS[place] if place < 3 else lower)
