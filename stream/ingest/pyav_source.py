"""Video files, cameras and webcams as a `Source`, through PyAV."""

import logging
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from functools import partial

from stream.clock import Clock
from stream.frame import Frame
from stream.ingest.decode_ladder import DecodeRung, DecodeStep
from stream.ingest.frame_timeline import FrameTimeline, TimeJump
from stream.ingest.laddered_reader import Decoded, DecodeOptions, LadderedReader
from stream.ingest.source import SourceDescription
from stream.ingest.video_address import VideoAddress
from stream.ingest.video_reader import DEFAULT_FPS, VideoReader
from stream.picture import Picture

log = logging.getLogger(__name__)

SHORT_SECONDS = 1.0
"""A file that ends so much before its header says is reported."""


class PyavSource:
    """Implements `Source`. The first frame is decoded at once: what cannot be read fails here."""

    def __init__(
        self,
        address: VideoAddress,
        *,
        stream: str,
        clock: Clock,
        max_pixels: int,
        decode: DecodeOptions,
    ) -> None:
        """Opens the source.

        Raises:
            SourceError: if no frame can be read from it.
        """
        self._stream = stream
        self._clock = clock
        self._is_live = address.is_live
        self._is_open = True
        self._jumps: Counter[TimeJump] = Counter()
        self._reader = LadderedReader(
            partial(_open_reader, address, decode.threads, max_pixels),
            decode.begin(),
            stream=stream,
            is_live=address.is_live,
            taker=decode.taker,
            tell_copies=decode.tell_copies,
        )
        try:
            decoded = self._reader.frames()
            first = next(decoded)
        except BaseException:
            self._reader.close()
            raise
        self._decoded = decoded
        step = 1 / (self._reader.about.fps or Fraction(DEFAULT_FPS))
        self._timeline = FrameTimeline(step, is_live=self._is_live)
        self._start = Fraction(0) if self._is_live else _start(self._reader.about.start, first.pts)
        begin = self._frame(first)
        self._first: Frame | None = begin
        self._description = self._describe(begin.picture)

    @property
    def description(self) -> SourceDescription:
        """See `Source.description`."""
        return self._description

    @property
    def corrupt_packets(self) -> int:
        """See `Source.corrupt_packets`."""
        return self._reader.corrupt_packets

    @property
    def decode_steps(self) -> tuple[DecodeStep, ...]:
        """See `Source.decode_steps`."""
        return self._reader.steps

    @property
    def decode_rung(self) -> DecodeRung:
        """What decodes at present."""
        return self._reader.rung

    @property
    def time_jumps(self) -> Counter[TimeJump]:
        """Why epochs began, and how often so far; a copy."""
        return self._jumps.copy()

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        last, self._first = self._first, None
        if last is None:
            return
        yield last
        for decoded in self._decoded:
            last = self._frame(decoded)
            yield last
        if self._is_open:
            self._warn_if_short(last)

    def close(self) -> None:
        """See `Source.close`."""
        self._is_open, self._first = False, None
        self._decoded.close()
        self._reader.close()

    def _frame(self, decoded: Decoded) -> Frame:
        pts, wall_seconds = decoded.pts, self._clock.wall()
        time = self._timeline.place(
            None if pts is None else pts - self._start, wall_seconds - self._clock.monotonic()
        )
        if time.jump is not None:
            fields = {"epoch": time.epoch, "jump": time.jump.value}
            self._jumps[time.jump] += 1
            log.warning("stream_epoch_began", extra={"stream": self._stream, **fields})
        return Frame(
            stream=self._stream,
            epoch=time.epoch,
            index=time.index,
            pts_seconds=time.pts_seconds,
            capture_seconds=wall_seconds,
            picture=decoded.picture,
            damaged=decoded.is_corrupt,
        )

    def _describe(self, picture: Picture) -> SourceDescription:
        reader = self._reader.about
        return SourceDescription(
            stream=self._stream,
            codec=reader.codec,
            width=picture.width,
            height=picture.height,
            is_live=self._is_live,
            frames_from_header=reader.frames_from_header,
            duration_seconds_from_header=reader.duration_seconds_from_header,
            fps_from_header=float(reader.fps) if reader.fps else None,
        )

    def _warn_if_short(self, last: Frame) -> None:
        expected = self._description.duration_seconds_from_header
        if last.epoch or expected is None or last.pts_seconds + SHORT_SECONDS >= expected:
            return
        fields = {"ended_seconds": last.pts_seconds, "expected_seconds": expected}
        log.warning("source_ended_early", extra={"stream": self._stream, **fields})


def _open_reader(
    address: VideoAddress, thread_count: int, max_pixels: int, rung: DecodeRung
) -> VideoReader:
    return VideoReader(address, thread_count=thread_count, max_pixels=max_pixels, rung=rung)


def _start(from_header: Fraction | None, first: Fraction | None) -> Fraction:
    """When a file starts; no frame comes before."""
    known = [start for start in (from_header, first) if start is not None]
    return min(known, default=Fraction(0))
