import pytest

from stream.errors import SinkError
from stream.frame import FrameResult, Outcome
from stream.sinks.fan_out import FanOutSink, sealing
from stream.sinks.memory_sink import MemorySink
from tests.run_parts import small_frame


class UncloseableSink(MemorySink):
    def __init__(self) -> None:
        super().__init__()
        self.abandoned = False

    def close(self) -> None:
        raise SinkError("cannot be made final")

    def abandon(self) -> None:
        self.abandoned = True


def a_result() -> FrameResult:
    return FrameResult(small_frame(0), Outcome.SKIPPED, "none")


def test_every_sink_gets_every_result() -> None:
    sinks = [MemorySink(), MemorySink()]
    one = a_result()

    with sealing(FanOutSink(sinks)) as fan_out:
        fan_out.publish(one)

    assert [sink.results for sink in sinks] == [[one], [one]]
    assert all(sink.is_complete for sink in sinks)


def test_a_sink_that_cannot_be_closed_does_not_keep_the_others_open() -> None:
    bad, good = UncloseableSink(), MemorySink()

    with pytest.raises(SinkError, match="cannot be made final"), sealing(FanOutSink([bad, good])):
        pass

    assert good.is_complete
    assert bad.abandoned


def test_after_an_error_all_sinks_are_abandoned() -> None:
    sinks = [MemorySink(), MemorySink()]

    with pytest.raises(KeyboardInterrupt), sealing(FanOutSink(sinks)):
        raise KeyboardInterrupt

    assert not any(sink.is_complete for sink in sinks)


def test_no_sinks_take_everything() -> None:
    with sealing(FanOutSink([])) as fan_out:
        fan_out.publish(a_result())
