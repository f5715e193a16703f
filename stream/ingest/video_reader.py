"""Decoded frames of one container, as FFmpeg gives them; damage is counted and read over.

Decoders with frame threads hang when they are freed with frames inside, so `close` flushes first.
PyAV's own log is left alone: routed to Python it has deadlocked.
"""

from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import cast

from av.container import InputContainer
from av.error import (
    ArgumentError,
    BugError,
    FFmpegError,
    InvalidDataError,
    PatchWelcomeError,
    UndefinedError,
)
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stream.errors import HardwareDecodeError, LossCause, SourceError
from stream.ingest.decode_ladder import DecodeRung, StepReason, refusal
from stream.ingest.read_errors import read_error
from stream.ingest.video_address import VideoAddress
from stream.ingest.video_hardware import open_video

_DAMAGE = (InvalidDataError, ArgumentError, PatchWelcomeError, UndefinedError, BugError)
"""What decoders say to a damaged packet."""
_TEXT_CODECS = {"ansi", "bintext", "xbin", "idf"}
"""FFmpeg draws a text file as a film of a terminal."""
MAX_READ_FAILURES = 16
"""In a row; a file whose rest is gone ends after so many, a live stream is lost."""
MAX_FPS = 1000
DEFAULT_FPS = 25
_MICROSECONDS = 1_000_000


class VideoReader:
    """Iterated once, by one thread."""

    def __init__(
        self,
        address: VideoAddress,
        *,
        thread_count: int,
        max_pixels: int,
        rung: DecodeRung = DecodeRung.SOFTWARE,
    ) -> None:
        """Opens the container and its best video stream; decodes nothing yet.

        Raises:
            HardwareDecodeError: if the rung is one of the GPU, and cannot decode this.
            SourceError: if there is no video, or none that can be decoded within `max_pixels`.
        """
        self._address = address
        self._max_pixels = max_pixels
        self._rung = rung
        self._damage: FFmpegError | None = None
        self._is_open = True
        self.corrupt_packets = 0
        # Decoders round sides up to whole blocks, so their own limit lies above ours.
        guard = {"max_pixels": str(max_pixels + max_pixels // 4)}
        self._container = open_video(address, guard, rung)
        try:
            self._stream = _video_stream(self._container, address.shown)
            self._check_rung()
            self._check_size(self._stream.codec_context.width, self._stream.codec_context.height)
        except SourceError:
            self._container.close()
            raise
        self._decoder = self._stream.codec_context
        self._decoder.options = guard
        self._decoder.thread_count = thread_count if rung is DecodeRung.SOFTWARE else 1
        # Frame threads hold back as many frames as there are threads: delay for a camera.
        self._decoder.thread_type = "SLICE" if address.is_live else "AUTO"

    @property
    def codec(self) -> str:
        """Its name without that of the decoder."""
        return self._decoder.codec.canonical_name

    @property
    def fps(self) -> Fraction | None:
        """Frames a second, on average; None if unknown or beyond belief."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return Fraction(rate) if rate and 0 < rate <= MAX_FPS else None

    @property
    def frames_from_header(self) -> int | None:
        """How many frames there should be."""
        return self._stream.frames or None

    @property
    def duration_seconds_from_header(self) -> float | None:
        """How long the video should be."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / _MICROSECONDS if self._container.duration else None

    @property
    def start(self) -> Fraction | None:
        """Seconds on the frames' own clock at which the file starts."""
        start, base = self._container.start_time, self._stream.time_base
        if start is None or not base:
            return None
        # The container rounds to microseconds; the frames' ticks are exact.
        return round(Fraction(start, _MICROSECONDS) / base) * base

    def frames(self) -> Generator[VideoFrame, None, None]:
        """Frames in the order they are shown.

        Raises:
            SourceError: if reading fails for good, a picture is too large, a live stream ends, or
                no frame came at all.
        """
        count = 0
        for packet in self._packets():
            for frame in self._decoded(packet):
                self._check_size(frame.width, frame.height)
                count += 1
                yield frame
        if not count:
            self._check_decoder(EOFError())
            raise self._no_frames()
        if self._address.is_live and self.duration_seconds_from_header is None:
            raise SourceError(
                f"{self._address.shown}: the connection was lost after {count} frames; check the "
                "camera and the network, and start again",
                LossCause.EOF,
            )

    def close(self) -> None:
        """Frees decoder and container; frames that were given out stay valid."""
        if not self._is_open:
            return
        self._is_open = False
        self._decoder.flush_buffers()
        self._container.close()

    def _packets(self) -> Iterator["Packet[VideoStream]"]:
        """Packets to the end, the last one empty: it asks the decoder for what it still holds."""
        failures = 0
        packets = self._container.demux(self._stream)
        while failures < MAX_READ_FAILURES:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except InvalidDataError as error:
                failures += 1
                self._count_damage(error)
                packets = self._container.demux(self._stream)
                continue
            except (FFmpegError, OSError) as error:
                # Without FFmpeg's own error: see `_open`.
                raise read_error(self._address.shown, "reading broke off", error) from None
            failures = 0
            yield packet
        yield self._end_packet()

    def _end_packet(self) -> "Packet[VideoStream]":
        packet = cast("Packet[VideoStream]", Packet(0))
        packet.stream = self._stream
        packet.time_base = self._stream.time_base or Fraction(1, DEFAULT_FPS)
        return packet

    def _decoded(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        try:
            return self._decoder.decode(packet)
        except _DAMAGE as error:
            self._check_decoder(error)
            self._count_damage(error)
            return []
        except (FFmpegError, OSError) as error:
            self._check_decoder(error)
            raise read_error(self._address.shown, "decoding broke off", error) from error

    def _count_damage(self, error: FFmpegError) -> None:
        self.corrupt_packets += 1
        self._damage = error

    def _check_rung(self) -> None:
        """Refuses what the rung cannot decode; PyAV would do it in software and not say so."""
        context = self._stream.codec_context
        refused = refusal(self._rung, context.codec.canonical_name, context.profile)
        if refused is None and self._rung is not DecodeRung.SOFTWARE and not context.is_hwaccel:
            refused = StepReason.CODEC, "FFmpeg has no decoder of the GPU for it"
        if refused is not None:
            raise HardwareDecodeError(f"{self._address.shown}: {refused[1]}", refused[0])

    def _check_decoder(self, error: Exception) -> None:
        """The GPU's decoder says of what it cannot do that the packet is damaged."""
        if self._rung is not DecodeRung.SOFTWARE:
            raise HardwareDecodeError(
                f"{self._address.shown}: the GPU's decoder gave no frame ({type(error).__name__})",
                StepReason.DECODE_FAILED,
            ) from error

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise SourceError(
                f"{self._address.shown}: its picture is {width}x{height}, and more than "
                f"{self._max_pixels} pixels are not read; make it smaller first"
            )

    def _no_frames(self) -> SourceError:
        shown, decoder = self._address.shown, self._decoder
        if isinstance(self._damage, ArgumentError) or (self._damage and not decoder.width):
            return SourceError(
                f"{shown}: its picture is damaged or has more than {self._max_pixels} pixels; make "
                "it smaller first"
            )
        if self._damage is not None:
            return SourceError(
                f"{shown}: no frame in it can be decoded ({self.corrupt_packets} damaged packets); "
                "get an undamaged copy"
            )
        if self._address.is_live:
            return SourceError(
                f"{shown}: the connection was lost before the first frame; check the camera",
                LossCause.EOF,
            )
        return SourceError(f"{shown}: it is a video without a single frame; get a whole copy")


def _video_stream(container: InputContainer, shown: str) -> VideoStream:
    """The stream to read; the cover picture of a song is none."""
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        found = "only sound" if container.streams.audio else "no video"
        raise SourceError(f"{shown}: there is {found} in it; give a file with video")
    known = [stream for stream in videos if stream.codec_context is not None]
    if not known:
        raise SourceError(
            f"{shown}: this build of FFmpeg has no decoder for its video; convert it first, for "
            "instance to H.264"
        )
    best = container.streams.best("video")
    stream = next((stream for stream in known if stream is best), known[0])
    if stream.codec_context.name in _TEXT_CODECS:
        raise SourceError(f"{shown}: it is a text, not a video; give a video file")
    return stream
