from collections.abc import Iterator

import numpy as np
import pytest

from engines.artefact import Artefact
from engines.benchmark import Contestant, Timing, take_turns
from engines.certification.probe import batch_of
from engines.engine import Tensors
from engines.openvino_engine import graph_gflop
from engines.replay_engine import ReplayEngine
from stream.clock import ManualClock
from tests.tiny_model import draw_people

CANVAS = (128, 96)
PICTURE = draw_people(*CANVAS, {(40, 40): 250})


class SlowEngine(ReplayEngine):
    """Takes a known time a call."""

    def __init__(self, artefact: Artefact, clock: ManualClock, takes: Iterator[float]) -> None:
        blank = {"keypoints": np.zeros((30, 17, 3), np.float32), "scores": np.zeros(30, np.float32)}
        super().__init__(artefact.manifest, CANVAS, [blank] * 1000)
        self._clock, self._takes = clock, takes

    def infer(self, inputs: Tensors) -> dict[str, np.ndarray]:
        self._clock.advance(next(self._takes))
        return super().infer(inputs)


def test_engines_take_turns_and_the_first_call_does_not_count(tiny_artefact: Artefact) -> None:
    clock = ManualClock()
    quick = SlowEngine(tiny_artefact, clock, iter([9.0] + [0.1] * 100))
    slow = SlowEngine(tiny_artefact, clock, iter([9.0] + [0.4] * 100))
    rows = {"canvas": PICTURE[None]}
    one, other = take_turns(
        [Contestant("quick", quick, rows), Contestant("slow", slow, rows)], 5.0, clock
    )
    assert len(one.seconds) == len(other.seconds) == 10
    assert one.quantile_ms(0.5) == pytest.approx(100)
    assert one.images_per_second == pytest.approx(10)
    assert one.speed_up_over(other).tolist() == pytest.approx([4.0] * 10)


def test_a_batch_is_compared_per_image() -> None:
    single, eight = Timing("1", 1, np.array([0.1])), Timing("8", 8, np.array([0.4]))
    assert eight.speed_up_over(single).tolist() == pytest.approx([2.0])


def test_a_batch_takes_pictures_over_and_over() -> None:
    pictures = np.stack([PICTURE, PICTURE // 2])
    rows = batch_of({"canvas": pictures}, 5)["canvas"]
    assert rows.shape == (5, 96, 128, 3)
    np.testing.assert_array_equal(rows[2], PICTURE)
    np.testing.assert_array_equal(rows[3], PICTURE // 2)


def test_operations_are_counted_from_the_graph(tiny_artefact: Artefact) -> None:
    """One channel, a 7x7 kernel, every pixel: two operations for each product."""
    assert graph_gflop(tiny_artefact, CANVAS) == pytest.approx(2 * 49 * 128 * 96 / 1e9)
