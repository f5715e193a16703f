"""What both runners promise, and what only the concurrent one can do."""

from collections.abc import Callable
from threading import Event, Thread
from threading import enumerate as running_threads

import pytest

from stream.channel import Channel
from stream.errors import EngineError, PoseStreamError, SinkError, SourceError
from stream.frame import FrameResult, Outcome
from stream.inline import run_inline
from stream.pipeline import Entry, EstimateStage, Run, RunEnd, Selection
from stream.sinks.memory_sink import MemorySink
from stream.wire import encode
from stream.worker import _Line, run_concurrent
from tests.run_parts import (
    WAIT_SECONDS,
    ListSource,
    MadeUpEstimator,
    OverlappingMadeUpEstimator,
    ledger_of,
    run_of,
    small_frame,
)

Runner = Callable[[Run], RunEnd]
RUNNERS = [pytest.param(run_inline, id="inline"), pytest.param(run_concurrent, id="concurrent")]
both_runners = pytest.mark.parametrize("runner", RUNNERS)


def outcomes(sink: MemorySink) -> list[str]:
    return [result.outcome.value for result in sink.results]


@both_runners
@pytest.mark.parametrize("batch_size", [1, 2, 4, 7])
def test_every_frame_has_a_result_in_order(runner: Runner, batch_size: int) -> None:
    sink = MemorySink()
    frames = [small_frame(index, damaged=index == 5) for index in range(23)]
    estimator = MadeUpEstimator(batch_size)
    run = run_of(ListSource(frames), sink, estimator, Selection(stride=2))

    assert runner(run) is RunEnd.COMPLETED

    assert [result.frame.index for result in sink.results] == list(range(23))
    assert sink.is_complete
    assert ledger_of(run) == {"inferred": 12, "skipped": 10, "corrupt": 1}
    assert outcomes(sink)[:6] == ["inferred", "skipped"] * 2 + ["inferred", "corrupt"]
    assert max(map(len, estimator.batches)) <= batch_size


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("stride", [1, 3, 40])
def test_both_runners_write_the_same_lines_and_make_the_same_batches(
    batch_size: int, stride: int
) -> None:
    lines, batches = [], []
    for runner in (run_inline, run_concurrent):
        sink, estimator = MemorySink(), MadeUpEstimator(batch_size, failing=[6])
        source = ListSource([small_frame(index, damaged=index % 11 == 4) for index in range(100)])
        runner(run_of(source, sink, estimator, Selection(stride)))
        lines.append([encode(result) for result in sink.results])
        batches.append(estimator.batches)

    assert lines[0] == lines[1]
    assert batches[0] == batches[1]


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("in_flight", [1, 2, 3])
def test_batches_under_way_at_once_give_the_same_lines(batch_size: int, in_flight: int) -> None:
    frames = [small_frame(index, damaged=index % 11 == 4) for index in range(60)]
    inline, overlapped = MemorySink(), MemorySink()
    failing = [6, 20]
    run_inline(run_of(ListSource(frames), inline, MadeUpEstimator(batch_size, failing)))
    estimator = OverlappingMadeUpEstimator(batch_size, failing, in_flight)
    run_concurrent(run_of(ListSource(frames), overlapped, estimator))
    assert [encode(one) for one in inline.results] == [encode(one) for one in overlapped.results]
    assert estimator.under_way == []
    assert estimator.most_under_way <= in_flight


def test_so_many_batches_are_under_way_as_the_engine_has_room_for() -> None:
    frames = [small_frame(index) for index in range(12)]
    estimator = OverlappingMadeUpEstimator(batch_size=1, in_flight=3)
    run = run_of(ListSource([]), MemorySink(), estimator)
    line = _Line(run, Channel(12), Channel(12))
    for frame in frames:
        line.decoded.put(Entry(frame))
    line.decoded.close()
    line.estimate()
    assert estimator.most_under_way == 3
    assert estimator.batches == [(index,) for index in range(12)]
    assert len(line.settled) == 12


def test_frames_of_a_camera_do_not_wait_behind_others() -> None:
    estimator = OverlappingMadeUpEstimator(batch_size=1)
    run = run_of(ListSource([], is_live=True), MemorySink(), estimator)
    assert EstimateStage(run).depth == 1
    assert EstimateStage(run_of(ListSource([]), MemorySink(), estimator)).depth == 3


def test_three_failing_batches_in_a_row_end_the_run_though_others_are_under_way() -> None:
    sink = MemorySink()
    estimator = OverlappingMadeUpEstimator(1, failing=[4, 5, 6])
    source = ListSource([small_frame(index) for index in range(40)])
    with pytest.raises(EngineError, match=r"made to fail at \(6,\)"):
        run_concurrent(run_of(source, sink, estimator))
    assert outcomes(sink) == ["inferred"] * 4 + ["failed"] * 2
    assert not sink.is_complete


@both_runners
def test_a_source_without_frames_gives_no_results_and_a_complete_sink(runner: Runner) -> None:
    sink, source = MemorySink(), ListSource([])

    assert runner(run_of(source, sink)) is RunEnd.COMPLETED

    assert sink.results == []
    assert sink.is_complete
    assert source.closed.is_set()


@both_runners
def test_reading_ends_after_the_frames_asked_for(runner: Runner) -> None:
    sink, read = MemorySink(), []
    source = ListSource(
        item for index in range(9) for item in (lambda i=index: read.append(i), small_frame(index))
    )

    runner(run_of(source, sink, selection=Selection(max_frames=4)))

    assert len(sink.results) == 4
    assert read == [0, 1, 2, 3]


@both_runners
def test_each_epoch_has_a_tracker_of_its_own(runner: Runner) -> None:
    sink = MemorySink()
    frames = [small_frame(index, epoch=epoch) for epoch in (0, 1) for index in range(3)]

    runner(run_of(ListSource(frames), sink))

    assert [result.poses[0].track for result in sink.results] == [1, 2, 3, 1, 2, 3]


@both_runners
def test_a_failing_batch_fails_its_frames_and_the_run_goes_on(runner: Runner) -> None:
    sink = MemorySink()
    run = run_of(ListSource(map(small_frame, range(8))), sink, MadeUpEstimator(2, failing=[2, 5]))

    assert runner(run) is RunEnd.COMPLETED

    assert outcomes(sink) == ["inferred"] * 2 + ["failed"] * 4 + ["inferred"] * 2


@both_runners
def test_three_failing_batches_in_a_row_end_the_run_with_the_engines_error(runner: Runner) -> None:
    sink, source = MemorySink(), ListSource(map(small_frame, range(50)))

    with pytest.raises(EngineError, match="made to fail at \\(3,\\)"):
        runner(run_of(source, sink, MadeUpEstimator(failing=[1, 2, 3])))

    assert not sink.is_complete
    assert outcomes(sink) == ["inferred", "failed", "failed"]
    assert source.closed.is_set()


class OnceFailingSink(MemorySink):
    """Fails at one result, and remembers that it was abandoned."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at
        self.abandoned = False

    def publish(self, result: FrameResult) -> None:
        if result.frame.index == self._at:
            raise SinkError("the disk is full")
        super().publish(result)

    def abandon(self) -> None:
        self.abandoned = True


@both_runners
def test_a_failing_sink_ends_the_run_and_is_abandoned(runner: Runner) -> None:
    sink, source = OnceFailingSink(at=2), ListSource(map(small_frame, range(5000)))

    with pytest.raises(SinkError, match="the disk is full"):
        runner(run_of(source, sink))

    assert sink.abandoned
    assert len(sink.results) == 2
    assert source.closed.is_set()


@both_runners
def test_nothing_is_inferred_any_more_once_the_sink_has_failed(runner: Runner) -> None:
    sink, estimator = OnceFailingSink(at=2), MadeUpEstimator()
    source = ListSource(map(small_frame, range(5000)))

    with pytest.raises(SinkError, match="the disk is full"):
        runner(run_of(source, sink, estimator))

    assert len(estimator.batches) < 20  # what lay between the threads


@both_runners
def test_a_breaking_source_ends_the_run_after_what_it_gave(runner: Runner) -> None:
    def break_off() -> None:
        raise SourceError("the cable was pulled")

    sink = MemorySink()
    run = run_of(ListSource([*map(small_frame, range(5)), break_off]), sink)

    with pytest.raises(SourceError, match="the cable was pulled"):
        runner(run)

    assert not sink.is_complete
    assert ledger_of(run) == {"inferred": 5}


@both_runners
def test_a_stop_request_ends_the_run_with_every_frame_accounted_for(runner: Runner) -> None:
    sink, estimator = MemorySink(), MadeUpEstimator(3)
    source = ListSource(small_frame(index) for index in range(10**9))
    run = run_of(source, sink, estimator)
    estimator.before_batch = lambda: run.stop.request() if len(estimator.batches) == 4 else None

    assert runner(run) is RunEnd.INTERRUPTED

    counted = ledger_of(run)
    assert counted.pop("inferred") == 15, "the batch in the engine is finished"
    assert set(counted) <= {"skipped"}, "what came after is skipped, nothing is in flight"
    assert [result.frame.index for result in sink.results] == list(range(len(sink.results)))
    assert sink.is_complete
    assert source.closed.is_set()


@both_runners
def test_a_stop_request_before_the_start_reads_nothing(runner: Runner) -> None:
    sink = MemorySink()
    run = run_of(ListSource(map(small_frame, range(5))), sink)
    run.stop.request()

    assert runner(run) is RunEnd.INTERRUPTED
    assert sink.results == []
    assert sink.is_complete


class GatedSink(MemorySink):
    """Stands in `publish` until the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = Event()
        self.gate = Event()

    def publish(self, result: FrameResult) -> None:
        self.entered.set()
        assert self.gate.wait(WAIT_SECONDS)
        super().publish(result)


def in_a_thread(run: Run) -> tuple[Thread, list[RunEnd]]:
    ends: list[RunEnd] = []
    thread = Thread(target=lambda: ends.append(run_concurrent(run)))
    thread.start()
    return thread, ends


def test_a_stop_request_while_all_channels_are_full_ends_the_run() -> None:
    sink = GatedSink()
    run = run_of(ListSource(map(small_frame, range(10**6))), sink)
    thread, ends = in_a_thread(run)
    assert sink.entered.wait(WAIT_SECONDS)

    run.stop.request()
    sink.gate.set()
    thread.join(WAIT_SECONDS)

    assert ends == [RunEnd.INTERRUPTED]
    assert sink.is_complete
    assert "in flight" not in ledger_of(run)


def test_a_stop_request_while_the_source_is_stuck_leaves_the_source_to_itself() -> None:
    stuck, release = Event(), Event()

    def get_stuck() -> None:
        stuck.set()
        release.wait(WAIT_SECONDS)

    sink = MemorySink()
    source = ListSource([*map(small_frame, range(3)), get_stuck, small_frame(3)])
    run = run_of(source, sink)
    thread, ends = in_a_thread(run)
    assert stuck.wait(WAIT_SECONDS)

    run.stop.request()
    thread.join(WAIT_SECONDS)

    assert ends == [RunEnd.INTERRUPTED]
    assert sink.is_complete
    assert len(sink.results) == 3
    release.set()
    assert source.closed.wait(WAIT_SECONDS), "the decode thread ends when the source comes back"
    assert sum(ledger_of(run).values()) == 3, "and the frame it brings is not read any more"


def test_a_sink_that_never_returns_ends_the_run_with_an_error() -> None:
    sink = GatedSink()
    run = run_of(ListSource(map(small_frame, range(100))), sink)
    errors: list[PoseStreamError] = []

    def run_until_error() -> None:
        try:
            run_concurrent(run, stop_seconds=0.05)
        except PoseStreamError as error:
            errors.append(error)

    thread = Thread(target=run_until_error)
    thread.start()
    assert sink.entered.wait(WAIT_SECONDS)
    run.stop.request()
    thread.join(WAIT_SECONDS)
    sink.gate.set()

    assert "the publish thread did not end within" in str(errors[0])
    assert not sink.is_complete


def test_no_thread_is_left_after_a_run() -> None:
    run_concurrent(run_of(ListSource(map(small_frame, range(20))), MemorySink()))

    names = {thread.name for thread in running_threads()}
    assert names.isdisjoint({"decode", "estimate", "publish"})


def test_a_live_stream_drops_the_oldest_frames_and_says_so() -> None:
    busy, all_read = Event(), Event()
    sink, estimator = MemorySink(), MadeUpEstimator(1)

    def wait_in_the_engine() -> None:
        busy.set()
        assert all_read.wait(WAIT_SECONDS)

    def wait_for_the_engine() -> None:
        assert busy.wait(WAIT_SECONDS)

    estimator.before_batch = wait_in_the_engine
    frames = [small_frame(index) for index in range(7)]
    source = ListSource([frames[0], wait_for_the_engine, *frames[1:], all_read.set], is_live=True)
    run = run_of(source, sink, estimator)

    run_concurrent(run)

    assert outcomes(sink) == ["inferred", *["dropped"] * 5, "inferred"]
    assert [result.frame.index for result in sink.results] == list(range(7))
    dropped = sink.results[3].frame
    assert (dropped.picture.width, dropped.picture.height) == (6, 4)
    assert dropped.picture.y.strides == (0, 0), "a dropped frame holds no pixels"
    assert ledger_of(run) == {Outcome.INFERRED: 2, Outcome.DROPPED: 5}
