"""Reads a video on the highest step of the decode ladder that works; gives pictures.

A step that fails is left for the next one: the container is opened again, a file is read from its
start and what was given out before is left out, a camera begins where it is. Steps are logged and
told once a lower step gave a frame; until then it may be the source that is at fault.
"""

import logging
import os
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from av.video.frame import VideoFrame

from stream.device_picture import DeviceTaker
from stream.errors import ConfigError, EngineError, HardwareDecodeError
from stream.ingest.av_picture import PictureMaker, colour_of, pts_of
from stream.ingest.decode_ladder import (
    DecodeLadder,
    DecodeRung,
    DecodeStep,
    DecodeWish,
    StepReason,
    first_rung,
)
from stream.ingest.video_hardware import has_nvidia_device
from stream.ingest.video_reader import VideoReader
from stream.picture import Picture
from stream.pixel_copies import CopyStep, TellCopies, tell_nobody_of_copies

MAX_THREADS = 4
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What is to decode."""

    wish: DecodeWish = DecodeWish.AUTO
    taker: DeviceTaker | None = None
    """Takes pictures that stay on the GPU; None if what comes after wants them on the processor."""

    tell_copies: TellCopies = tell_nobody_of_copies
    """Told of pictures that come from the GPU to the processor."""

    thread_count: int | None = None
    """Of a decoder on the processor; None takes one for each processor, 4 at most."""

    def __post_init__(self) -> None:
        """Refuses a decoder without a thread."""
        if self.thread_count is not None and self.thread_count < 1:
            raise ConfigError(f"decoding needs 1 or more threads, got {self.thread_count}")

    @property
    def threads(self) -> int:
        """Of a decoder on the processor."""
        return self.thread_count or min(len(os.sched_getaffinity(0)), MAX_THREADS)

    def begin(self) -> DecodeLadder:
        """The ladder before anything was tried; looks at the machine's devices, loads nothing."""
        return DecodeLadder(
            first_rung(
                self.wish,
                has_nvidia=has_nvidia_device(),
                takes_device_pictures=self.taker is not None,
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A frame without the decoder's own memory."""

    picture: Picture
    pts: Fraction | None
    """Seconds on the container's clock."""
    is_corrupt: bool


class LadderedReader:
    """Iterated once, by one thread.

    Args:
        open_reader: opens the container for a step of the ladder.
        ladder: where to begin.
        stream: named in the log.
        is_live: whether what was missed while changing over is gone.
        taker: takes pictures on the GPU.
        tell_copies: told of pictures that come from the GPU to the processor.

    Raises:
        SourceError: if it cannot be read on the lowest step either.
    """

    def __init__(
        self,
        open_reader: Callable[[DecodeRung], VideoReader],
        ladder: DecodeLadder,
        *,
        stream: str,
        is_live: bool,
        taker: DeviceTaker | None = None,
        tell_copies: TellCopies = tell_nobody_of_copies,
    ) -> None:
        self._open_reader, self._taker, self._tell_copies = open_reader, taker, tell_copies
        self._stream, self._is_live = stream, is_live
        self._pictures = PictureMaker()
        self._ladder, self._told = ladder, 0
        self._given_out, self._last_pts = 0, Fraction(-1 << 62)
        self._earlier_corrupt_packets = 0
        self.about = self._opened()

    @property
    def rung(self) -> DecodeRung:
        """Where it reads now."""
        return self._ladder.rung

    @property
    def steps(self) -> tuple[DecodeStep, ...]:
        """Those that were left, once a lower one gave a frame."""
        return self._ladder.steps[: self._told]

    @property
    def corrupt_packets(self) -> int:
        """Packets so far that no frame could be decoded from."""
        return self._earlier_corrupt_packets + self.about.corrupt_packets

    def frames(self) -> Generator[Decoded, None, None]:
        """Frames in the order they are shown.

        Raises:
            SourceError: see `VideoReader.frames`.
        """
        while True:
            try:
                yield from self._frames_of_rung()
            except HardwareDecodeError as error:
                self._leave(error)
                if self._is_live:
                    self._earlier_corrupt_packets = self.corrupt_packets
                self.about.close()
                self.about = self._opened()
            else:
                return

    def close(self) -> None:
        """Frees decoder and container; frames that were given out stay valid."""
        self.about.close()
        self._pictures.close()

    def _opened(self) -> VideoReader:
        while True:
            try:
                return self._open_rung()
            except HardwareDecodeError as error:
                self._leave(error)

    def _open_rung(self) -> VideoReader:
        try:
            return self._open_reader(self._ladder.rung)
        except HardwareDecodeError:
            if self._ladder.rung is not DecodeRung.ZERO_COPY or self._taker is None:
                raise
            # The decoder is first opened before anybody else touches the GPU. If somebody has, it
            # can only join a context that is current in this thread.
            with suppress(EngineError):
                self._taker.make_current()
            return self._open_reader(self._ladder.rung)

    def _leave(self, error: HardwareDecodeError) -> None:
        self._ladder = self._ladder.down(StepReason(error.reason), str(error))

    def _frames_of_rung(self) -> Generator[Decoded, None, None]:
        known = 0 if self._is_live else self._given_out
        for number, frame in enumerate(self.about.frames()):
            pts = pts_of(frame)
            if known and self._was_given_out(number, pts):
                continue
            decoded = Decoded(self._picture(frame), pts, frame.is_corrupt)
            self._tell_steps()
            self._given_out += 1
            self._last_pts = self._last_pts if pts is None else pts
            # The decoder's surface is held for one frame and no longer, or it would stall.
            del frame
            yield decoded

    def _was_given_out(self, number: int, pts: Fraction | None) -> bool:
        return number < self._given_out if pts is None else pts <= self._last_pts

    def _tell_steps(self) -> None:
        for step in self._ladder.steps[self._told :]:
            fields = {"rung": step.rung.value, "reason": step.reason.value, "words": step.words}
            log.warning("decode_stepped_down", extra={"stream": self._stream, **fields})
        self._told = len(self._ladder.steps)

    def _picture(self, frame: VideoFrame) -> Picture:
        if self._ladder.rung is DecodeRung.ZERO_COPY and self._taker is not None:
            return self._taken(self._taker, frame)
        picture = self._pictures.picture(frame)
        if self._ladder.rung is not DecodeRung.SOFTWARE:
            size_bytes = picture.y.nbytes + picture.u.nbytes + picture.v.nbytes
            self._tell_copies(CopyStep.FETCH, 1, size_bytes)
        return picture

    def _taken(self, taker: DeviceTaker, frame: VideoFrame) -> Picture:
        layout = (frame.sw_format or frame.format).name
        # DLPack rounds half of odd sides down, and gives 10-bit formats as 16 bits.
        if layout != "nv12" or frame.width % 2 or frame.height % 2:
            raise HardwareDecodeError(
                f"pictures of {layout} {frame.width}x{frame.height} do not stay on the GPU",
                StepReason.PIXEL_FORMAT,
            )
        if not self._pictures.is_upright(frame):
            raise HardwareDecodeError("the pictures are to be turned", StepReason.TURNED)
        space, full_range = colour_of(frame)
        # The bare capsules: who asks for one itself passes a stream, which PyAV refuses.
        luma, chroma = (plane.__dlpack__() for plane in frame.planes)
        return taker.take(luma, chroma, space, full_range=full_range)
