"""A fleet that runs beside a test, with real decoder processes and a made-up engine."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

from stream.clock import SystemClock
from stream.fleet.decoder_pool import PoolPlan
from stream.fleet.engine_desk import EnginePlan
from stream.fleet.fleet import Fleet
from stream.fleet.fleet_view import EventKind, FleetEvent
from stream.fleet.stream_machine import StreamState
from stream.fleet.stream_plan import StreamPlan
from stream.fleet.supervised_process import ProcessPlan
from stream.fleet.supervisor import Parts
from stream.frame import FrameResult, Outcome
from stream.ingest.source_url import parse_source_url
from stream.ingest.video_address import file_address, url_address
from stream.metrics import Metrics, new_registry
from stream.picture import black_picture
from stream.pipeline import StopRequest
from stream.site_file.patience import PATIENCE, Profile
from tests.run_parts import CountingTracker

DECODER = ProcessPlan("stream.fleet.decoder_process")
WAIT_SECONDS = 30.0
"""Long enough for a busy machine; reached only if a test fails."""
LOOK_SECONDS = 0.01
SLOW = {"max_fps": 5.0}
"""So few frames that a busy machine, too, infers them all."""


class KeptResults:
    """A sink that keeps what it got, without pixels."""

    def __init__(self) -> None:
        self.results: list[FrameResult] = []
        self.is_closed = False

    def publish(self, result: FrameResult) -> None:
        whole = result.frame.picture
        frame = replace(result.frame, picture=black_picture(whole.width, whole.height))
        self.results.append(replace(result, frame=frame))

    def close(self) -> None:
        self.is_closed = True

    def abandon(self) -> None:
        self.close()


class RunningFleet:
    """The fleet, what it told and what came out."""

    def __init__(self, engine: dict[str, Any], streams_per_worker: int, **limits: Any) -> None:
        self.sinks: dict[str, KeptResults] = defaultdict(KeptResults)
        self.events: list[FleetEvent] = []
        self.registry = new_registry()
        self.clock = SystemClock()
        process = ProcessPlan("tests.made_up_engine", (json.dumps(engine),))
        plan = EnginePlan(process, 4, 0.005, 2.0, silence_seconds=2.0, memory_bytes=1 << 30)
        pool = PoolPlan(DECODER, streams_per_worker, silence_seconds=2.0, memory_bytes=1 << 30)
        self.fleet = Fleet(
            replace(pool, **limits),
            plan,
            Parts(
                metrics=Metrics(self.registry, "test"),
                clock=self.clock,
                open_sink=lambda name: self.sinks[name],
                new_tracker=lambda _model: CountingTracker(),
            ),
        )
        self.fleet.subscribe(self.events.append)

    def add(self, name: str, address: str | Path, **wishes: Any) -> None:
        self.fleet.add(plan_of(name, address, **wishes))

    def wait(self, is_there: Callable[[], object], what: str = "") -> None:
        """Until it is so.

        Raises:
            AssertionError: if it never is.
        """
        deadline, pause = self.clock.monotonic() + WAIT_SECONDS, Event()
        while not is_there():
            views = [(v.name, v.state.value, v.last_loss) for v in self.fleet.describe_all()]
            assert self.clock.monotonic() < deadline, f"never: {what}; {views}"
            pause.wait(LOOK_SECONDS)

    def wait_for_results(self, name: str, more: int = 1) -> None:
        """So many more frames of the stream are inferred."""
        wanted = self.count(name) + more
        self.wait(lambda: self.count(name) >= wanted, f"{more} results of {name}")

    def wait_for_state(self, name: str, state: StreamState) -> None:
        self.wait(lambda: self.fleet.describe(name).state is state, f"{name} {state}")

    def wait_for_states(self, name: str, states: set[str]) -> None:
        """The stream was in each of them."""
        self.wait(lambda: states <= set(self.states(name)), f"{name} was {states}")

    def wait_for_losses(self, name: str, count: int) -> None:
        """The stream was lost, or not found, so often."""
        self.wait(lambda: self.fleet.describe(name).reconnects >= count, f"{name} lost {count}x")

    def count(self, name: str) -> int:
        return sum(r.outcome is Outcome.INFERRED for r in tuple(self.sinks[name].results))

    def states(self, name: str) -> list[str]:
        """Every state the stream was ever in, in order."""
        found = [e for e in self.events if e.stream == name and e.kind is EventKind.STATE]
        return [event.fields["state"] for event in found]

    def pid_of(self, process: str) -> int:
        return next(p.pid for p in self.fleet.health().processes if p.name == process)

    def process_of(self, stream: str) -> str:
        return next(p.name for p in self.fleet.health().processes if stream in p.streams)


def neighbour(running: RunningFleet, address: str) -> None:
    """A stream that is to lose nothing, whatever happens to another one."""
    running.add("quiet", address, **SLOW)
    running.wait_for_results("quiet", 2)


def quiet_lost_nothing(running: RunningFleet) -> None:
    running.wait_for_results("quiet", 2)
    view = running.fleet.describe("quiet")
    assert view.reconnects == 0
    results = running.sinks["quiet"].results
    assert {result.frame.epoch for result in results} == {0}
    assert {result.outcome for result in results} == {Outcome.INFERRED}
    lost = {outcome: view.ledger.outcomes[outcome] for outcome in (Outcome.DROPPED, Outcome.FAILED)}
    assert not any(lost.values()), lost
    # Every frame between the first and the last was read: nothing is missing between numbers.
    newest = results[-1].frame.index
    assert view.ledger.read >= newest + 1


def plan_of(name: str, address: str | Path, **wishes: Any) -> StreamPlan:
    place = (
        file_address(address)
        if isinstance(address, Path)
        else url_address(parse_source_url(address))
    )
    plan = StreamPlan(name, place, PATIENCE[Profile.WIRED], "made_up", 4_000_000)
    return replace(plan, **wishes)


@contextmanager
def running_fleet(
    *, engine: dict[str, Any] | None = None, streams_per_worker: int = 1, **limits: Any
) -> Iterator[RunningFleet]:
    """Turns until the end of the block; then every ledger must balance."""
    running = RunningFleet(engine or {}, streams_per_worker, **limits)
    stop = StopRequest()
    thread = Thread(target=running.fleet.run, args=(stop,), name="supervisor")
    thread.start()
    try:
        yield running
    finally:
        stop.request()
        thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
