from prometheus_client import CollectorRegistry

from stream.cascade_metrics import BOXES, REFINEMENTS, CascadeMetrics

WORK = {"detected": 3, "carried": 2, "refined": 1, "over_budget": 4, "spared": 0}


def test_all_series_begin_at_0_and_grow_with_the_work() -> None:
    registry = CollectorRegistry()
    metrics = CascadeMetrics(registry)

    def people(box: str) -> float | None:
        return registry.get_sample_value("posestream_cascade_people_total", {"box": box})

    def refinements(outcome: str) -> float | None:
        name = "posestream_cascade_refinements_total"
        return registry.get_sample_value(name, {"outcome": outcome})

    assert [people(box) for box in BOXES] == [0, 0]
    assert [refinements(outcome) for outcome in REFINEMENTS] == [0, 0, 0]
    metrics.worked(WORK)
    metrics.worked(WORK)
    assert [people(box) for box in BOXES] == [6, 4]
    assert [refinements(outcome) for outcome in REFINEMENTS] == [2, 8, 0]
    assert registry.get_sample_value("posestream_cascade_crops_sum") == 10
