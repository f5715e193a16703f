"""Reads one stream in a decoder process, from the order to the loss; the body of one thread.

A frame to infer is copied into a slot of shared memory and announced; all others are only counted.
With no slot free (the supervisor is slow) the frame is dropped and counted: reading never waits.
"""

import gc
import logging
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count

from stream.clock import Clock
from stream.errors import LossCause, PoseStreamError, SourceError
from stream.fleet.frame_rate_cap import FrameRateCap
from stream.fleet.messages import (
    FrameReady,
    PassedFrames,
    SegmentMade,
    StreamClosed,
    StreamLost,
    StreamOpened,
    StreamOrder,
)
from stream.fleet.outbox import Outbox
from stream.fleet.segment import Segment, picture_bytes
from stream.fleet.tls_check import speaks_tls
from stream.frame import Frame
from stream.ingest.decode_ladder import DecodeRung, StepReason
from stream.ingest.frame_timeline import TimeJump
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.pyav_source import PyavSource
from stream.ingest.source import Source
from stream.ingest.video_address import VideoAddress
from stream.picture import Picture
from stream.pixel_copies import CopyStep
from stream.redaction import redacted

log = logging.getLogger(__name__)

SLOTS = 6
"""One that is written, one that waits, two in the engine, one shown, one on its way back."""
TELL_SECONDS = 0.2
"""How often frames are reported that were not to be inferred."""


@dataclass(slots=True)
class _Passed:
    """Counts since they were last reported."""

    skipped: int = 0
    corrupt: int = 0
    dropped: int = 0
    corrupt_packets: int = 0
    time_jumps: tuple[TimeJump, ...] = ()
    decode_steps: tuple[tuple[DecodeRung, StepReason], ...] = ()
    fetched: int = 0
    fetched_bytes: int = 0
    told_seconds: float = field(default=0.0)

    def message(self, order: StreamOrder) -> PassedFrames:
        return PassedFrames(
            stream=order.stream,
            run=order.run,
            skipped=self.skipped,
            corrupt=self.corrupt,
            dropped=self.dropped,
            corrupt_packets=self.corrupt_packets,
            time_jumps=self.time_jumps,
            decode_steps=self.decode_steps,
            fetched=self.fetched,
            fetched_bytes=self.fetched_bytes,
        )

    @property
    def is_empty(self) -> bool:
        frames = self.skipped or self.corrupt or self.dropped
        faults = self.corrupt_packets or self.time_jumps or self.decode_steps
        return not (frames or faults)


class StreamReader:
    """One run of one stream. `run` is the body of its thread; the rest is for the main thread."""

    def __init__(
        self, order: StreamOrder, outbox: Outbox, clock: Clock, first_segment: int
    ) -> None:
        """Segments of the run are numbered from `first_segment`."""
        self.order = order
        self._outbox, self._clock = outbox, clock
        self._numbers = count(first_segment)
        self._generations = count(1)
        self._cap = FrameRateCap(order.max_fps, order.phase)
        self._segment: Segment | None = None
        self._segment_number = -1
        self._free: deque[int] = deque()
        self._passed = _Passed()
        self._known_corrupt_packets = 0
        self._known_time_jumps: Counter[TimeJump] = Counter()
        self._known_decode_steps = 0
        self.is_closed = False
        """Set by the main thread: end at the next frame."""

    def give_back(self, segment: int, slot: int) -> None:
        """A slot is free again."""
        if segment == self._segment_number:
            self._free.append(slot)

    def run(self) -> None:
        """Reads until the stream is lost or closed, and says so."""
        order = self.order
        try:
            try:
                self._read()
            finally:
                # PyAV's objects hold each other; the collector does not see how much memory hangs
                # on them, and would come too late.
                gc.collect()
        except SourceError as error:
            self._tell_loss(self._cause(error), str(error))
        except PoseStreamError as error:
            self._tell_loss(LossCause.CODEC, str(error))
        except Exception as error:  # the thread's end; the supervisor tries again
            log.exception("stream_reader_failed", extra={"stream": order.stream})
            self._tell_loss(LossCause.CODEC, type(error).__name__)

    def _read(self) -> None:
        epoch = self.order.first_epoch
        while not self.is_closed:
            # A file is played round and round; every round is an epoch. A camera is read once.
            epoch = self._read_once(epoch) + 1
            if self.order.is_live:
                self._tell_loss(LossCause.EOF, f"{self.order.shown}: the connection was closed")
                return
        self._tell_passed(all_of_it=True)
        self._outbox.put(StreamClosed(stream=self.order.stream, run=self.order.run))

    def _read_once(self, first_epoch: int) -> int:
        """Returns the last epoch."""
        epoch = first_epoch
        with closing(self._open()) as source:
            self._tell_opened(source)
            for frame in self._paced(source):
                if self.is_closed:
                    break
                epoch = first_epoch + frame.epoch
                self._count_faults(source)
                self._take(frame, epoch)
        return epoch

    def _open(self) -> PyavSource:
        order = self.order
        address = VideoAddress(
            order.address,
            order.shown,
            order.protocols,
            is_live=order.is_live,
            format=order.format,
            options=order.options,
            open_seconds=order.open_seconds,
            read_seconds=order.read_seconds,
        )
        self._known_corrupt_packets, self._known_time_jumps = 0, Counter()
        self._known_decode_steps = 0
        return PyavSource(
            address,
            stream=order.stream,
            clock=self._clock,
            max_pixels=order.max_pixels,
            decode=DecodeOptions(order.decode, tell_copies=self._count_fetched, thread_count=1),
        )

    def _count_fetched(self, _step: CopyStep, pictures: int, size_bytes: int) -> None:
        self._passed.fetched += pictures
        self._passed.fetched_bytes += size_bytes

    def _paced(self, source: Source) -> Iterator[Frame]:
        """The frames; those of a file, or of one on a web server, each at its time."""
        begun = self._clock.monotonic()
        is_file = source.description.duration_seconds_from_header is not None
        for frame in source.frames():
            if is_file or not self.order.is_live:
                ahead = begun + frame.pts_seconds - self._clock.monotonic()
                self._outbox.wait(max(ahead, 0.0), lambda: self.is_closed)
            yield frame

    def _take(self, frame: Frame, epoch: int) -> None:
        now = self._clock.monotonic()
        if frame.damaged:
            self._passed.corrupt += 1
        elif not self._cap.admits(now):
            self._passed.skipped += 1
        else:
            self._announce(frame, epoch, now)
        if now - self._passed.told_seconds >= TELL_SECONDS:
            self._tell_passed(all_of_it=True)

    def _announce(self, frame: Frame, epoch: int, now: float) -> None:
        picture = frame.picture
        segment = self._fitting_segment(picture)
        if not self._free:
            self._passed.dropped += 1
            return
        slot, generation = self._free.popleft(), next(self._generations)
        segment.write(slot, generation, picture)
        self._tell_passed()
        self._outbox.put(
            FrameReady(
                stream=frame.stream,
                run=self.order.run,
                epoch=epoch,
                index=frame.index,
                pts_seconds=frame.pts_seconds,
                capture_seconds=frame.capture_seconds,
                read_seconds=now,
                segment=self._segment_number,
                slot=slot,
                generation=generation,
                width=picture.width,
                height=picture.height,
                colour_space=picture.colour_space.name,
                full_range=picture.full_range,
            )
        )

    def _fitting_segment(self, picture: Picture) -> Segment:
        """The memory; a new one when pictures got larger (what is in the old one stays there)."""
        if self._segment is not None and self._segment.holds(picture):
            return self._segment
        segment = Segment(SLOTS, picture_bytes(picture.width, picture.height))
        number = next(self._numbers)
        self._outbox.put(
            SegmentMade(
                stream=self.order.stream,
                run=self.order.run,
                segment=number,
                slots=segment.slots,
                slot_bytes=segment.slot_bytes,
            ),
            fds=(segment.fd,),
        )
        segment.close_fd()
        self._segment, self._segment_number = segment, number
        self._free = deque(range(SLOTS))
        return segment

    def _count_faults(self, source: PyavSource) -> None:
        steps = source.decode_steps[self._known_decode_steps :]
        self._passed.decode_steps += tuple((step.rung, step.reason) for step in steps)
        self._known_decode_steps += len(steps)
        jumps = source.time_jumps
        self._passed.time_jumps += tuple((jumps - self._known_time_jumps).elements())
        self._known_time_jumps = jumps
        self._passed.corrupt_packets += source.corrupt_packets - self._known_corrupt_packets
        self._known_corrupt_packets = source.corrupt_packets

    def _cause(self, error: SourceError) -> LossCause:
        """FFmpeg has one name for a network that fails and a certificate that does."""
        if error.cause is LossCause.NETWORK and speaks_tls(self.order.address) is False:
            return LossCause.TLS
        return error.cause

    def _tell_opened(self, source: Source) -> None:
        about = source.description
        self._outbox.put(
            StreamOpened(
                stream=self.order.stream,
                run=self.order.run,
                codec=about.codec,
                width=about.width,
                height=about.height,
                fps=about.fps_from_header,
            )
        )

    def _tell_passed(self, *, all_of_it: bool = False) -> None:
        """Pictures that were fetched can wait: told with each frame they would double the talk."""
        if not self._passed.is_empty or (all_of_it and self._passed.fetched):
            self._outbox.put(self._passed.message(self.order))
            self._passed = _Passed()
        elif not all_of_it:
            return
        self._passed.told_seconds = self._clock.monotonic()

    def _tell_loss(self, cause: LossCause, words: str) -> None:
        self._tell_passed(all_of_it=True)
        order = self.order
        self._outbox.put(
            StreamLost(stream=order.stream, run=order.run, cause=cause, words=redacted(words))
        )
