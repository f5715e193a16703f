"""All that the API's routes know of the daemon.

Calls that wait for the supervisor's thread are made by threads of the event loop; everything kept
here is touched by the event loop's own thread only.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import TypeVar

from stream.api.added_streams import AddedStreams
from stream.api.answers import (
    StreamAnswer,
    StreamList,
    SystemAnswer,
    event_answer,
    stream_answer,
)
from stream.api.broadcast import Broadcast
from stream.api.chronicle import Chronicle
from stream.api.diagnosis import EngineView, diagnosis
from stream.api.new_stream import NewStream, new_plan
from stream.api.preview import Previews
from stream.api.problem import ProblemError, ProblemKind
from stream.api.recent_histograms import RecentHistograms
from stream.api.system_view import HISTOGRAMS, drops_by_stream, system_answer
from stream.errors import SinkError, UnknownStreamError
from stream.fleet.daemon import Daemon
from stream.fleet.fleet_view import EventKind, FleetEvent, FleetHealth, StreamView
from stream.fleet.inbox import BusyError
from stream.fleet.reconcile import Changes
from stream.fleet.stream_plan import StreamPlan
from stream.site_file.site_model import Site

log = logging.getLogger(__name__)

Found = TypeVar("Found")

LOOK_SECONDS = 1.0
LEAST_LOOK_SECONDS = 0.2
"""An event makes it look at once, but not more often than this."""
_NEW_PICTURES = (EventKind.ADDED, EventKind.REMOVED)


class FrontDesk:
    """Made by the supervisor's thread, used by the event loop's."""

    def __init__(
        self, daemon: Daemon, added: AddedStreams, on_end: Callable[[], None] = lambda: None
    ) -> None:
        """Hears of the daemon while `watching`; `on_end` is called when it begins to end."""
        self._on_end, self._added = on_end, added
        self.daemon, self.fleet, self.clock = daemon, daemon.fleet, daemon.clock
        daemon.extra_plans = self._kept_plans
        self.version = version("posestream")
        self.chronicle = Chronicle()
        self.broadcast = Broadcast()
        self.previews = Previews(self.fleet.snapshot, self.clock)
        self.was_ready = False
        self._begun = self.clock.monotonic()
        self._histograms = RecentHistograms(daemon.registry, HISTOGRAMS)
        self._changes = asyncio.Lock()
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def streams(self) -> StreamList:
        """All streams now."""
        views, health = await self._ask(self._views)
        return self._list(views, health)

    async def stream(self, name: str) -> StreamAnswer:
        """A stream now.

        Raises:
            UnknownStreamError: if there is none of that name.
        """
        view, health = await self._ask(lambda: (self.fleet.describe(name), self.fleet.health()))
        return self._stream_answers([view], health)[0]

    async def add(self, wish: NewStream) -> StreamAnswer:
        """Adds a stream.

        Raises:
            ProblemError: if the wish cannot be fulfilled.
            StreamExistsError: if there is one of that name.
            SinkError: if it cannot be kept in api.added_streams; it is not added then.
        """
        async with self._changes:  # so that two at once do not both take the last place
            is_kept = await self._ask(lambda: self._add(wish))
        log.info("stream_added", extra={"stream": wish.name, "survives_restart": is_kept})
        return await self.stream(wish.name)

    async def remove(self, name: str) -> None:
        """Removes a stream.

        Raises:
            UnknownStreamError: if there is none of that name.
            SinkError: if it cannot be taken out of api.added_streams; it is not removed then.
        """
        async with self._changes:
            await self._ask(lambda: self._remove(name))
        log.info("stream_removed", extra={"stream": name})

    async def pause(self, name: str, *, is_paused: bool) -> StreamAnswer:
        """Pauses or resumes a stream.

        Raises:
            UnknownStreamError: if there is none of that name.
            SinkError: if that cannot be kept in api.added_streams; nothing is changed then.
        """
        change = self.fleet.pause if is_paused else self.fleet.resume
        async with self._changes:
            await self._ask(lambda: self._added.pause(name, is_paused=is_paused))
            await self._ask(lambda: change(name))
        log.info("stream_paused" if is_paused else "stream_resumed", extra={"stream": name})
        return await self.stream(name)

    async def reload(self) -> Changes:
        """Reads the site file again.

        Raises:
            SiteError: if it is wrong.
            ConfigError: if a secret is missing.
        """
        async with self._changes:
            return await self._ask(self.daemon.reload)

    async def health(self) -> FleetHealth:
        """How the processes do."""
        return await self._ask(self.fleet.health)

    async def system(self) -> SystemAnswer:
        """The daemon now."""
        health, names = await self._ask(lambda: (self.fleet.health(), self.fleet.names()))
        self._histograms.look(self.clock.monotonic())
        return system_answer(
            self.daemon,
            health,
            len(names),
            self._histograms.recent(),
            self.clock.monotonic() - self._begun,
        )

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Looks at the daemon again and again, and tells who listens, within the block."""
        loop = self._loop = asyncio.get_running_loop()

        def tell(event: FleetEvent) -> None:
            with suppress(RuntimeError):  # the loop may have ended a moment ago
                loop.call_soon_threadsafe(self._hear, event)

        await self._ask(lambda: self.fleet.subscribe(tell))
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with suppress(BusyError):  # the fleet may have ended before
                await self._ask(lambda: self.fleet.unsubscribe(tell))

    async def first_words(self) -> dict[str, dict[str, object]]:
        """What a page that begins to listen is told, by event."""
        streams, system = await self.streams(), await self.system()
        return {"streams": streams.model_dump(), "system": system.model_dump()}

    def end(self) -> None:
        """Lets go who listens or looks; may be called by any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self.broadcast.end)

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except BusyError as error:
                log.debug("api_waits", extra={"cause": str(error)})
            except Exception:  # whatever it is, the next look may go well
                log.exception("look_failed")
            self._woken.clear()
            with suppress(TimeoutError):
                await asyncio.sleep(LEAST_LOOK_SECONDS)
                rest = LOOK_SECONDS - LEAST_LOOK_SECONDS
                await asyncio.wait_for(self._woken.wait(), rest)

    async def _look(self) -> None:
        views, health = await self._ask(self._views)
        self.was_ready = self.was_ready or health.is_engine_ready
        self.chronicle.keep(views, self.clock.monotonic(), self.clock.wall())
        self.previews.keep_only({view.name for view in views})
        self._histograms.look(self.clock.monotonic())
        if self.broadcast.has_listeners:
            self.broadcast.tell("streams", self._list(views, health).model_dump())
            self.broadcast.tell("system", (await self.system()).model_dump())

    def _hear(self, event: FleetEvent) -> None:
        if event.kind is EventKind.ENDING:
            self._on_end()
            self.broadcast.end()
            return
        self.chronicle.note(event)
        if event.kind in _NEW_PICTURES:
            self.previews.forget(event.stream)
        self.broadcast.tell("happened", event_answer(event).model_dump())
        self._woken.set()

    def _views(self) -> tuple[list[StreamView], FleetHealth]:
        return self.fleet.describe_all(), self.fleet.health()

    def _list(self, views: list[StreamView], health: FleetHealth) -> StreamList:
        return StreamList(time=self.clock.wall(), streams=self._stream_answers(views, health))

    def _stream_answers(self, views: list[StreamView], health: FleetHealth) -> list[StreamAnswer]:
        drops = drops_by_stream(self.daemon.registry)
        engine = EngineView(health.is_engine_ready, health.model_refusals)
        rates = {view.name: self.chronicle.rates(view.name) for view in views}
        return [
            stream_answer(
                view,
                rates[view.name],
                drops.get(view.name, {}),
                diagnosis(view, rates[view.name], engine),
                is_kept=view.name in self._added.names,
            )
            for view in views
        ]

    def _add(self, wish: NewStream) -> bool:
        """Returns whether it is kept for the next start, too."""
        site, most = self.daemon.site, self.daemon.site.limits.streams
        plan = new_plan(wish, site, self.daemon.folder, self.daemon.check_model)
        if len(names := self.fleet.names()) >= most and wish.name not in names:
            raise ProblemError(
                ProblemKind.TOO_MANY_STREAMS,
                f"there are {len(names)} streams, limits.streams is {most}",
            )
        self.fleet.add(plan)
        try:
            return self._added.keep(wish)
        except SinkError:
            self.fleet.remove(wish.name)
            raise

    def _remove(self, name: str) -> None:
        was_kept = self._added.forget(name)
        try:
            self.fleet.remove(name)
        except UnknownStreamError:
            if not was_kept:  # one that could not be started is kept all the same
                raise

    def _kept_plans(self, site: Site) -> list[StreamPlan]:
        return self._added.plans(site, self.daemon.folder, self.daemon.check_model)

    async def _ask(self, function: Callable[[], Found]) -> Found:
        return await asyncio.to_thread(function)
