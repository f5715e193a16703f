"""The video with the people drawn in, as an MP4 file; the only writer of videos."""

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from stream.errors import ConfigError, SinkError
from stream.frame import FrameResult, Outcome
from stream.geometry import letterbox
from stream.sinks.overlay import Rgb, annotated
from stream.sinks.partial_file import PartialFile
from stream.sinks.video_timeline import TICKS_PER_SECOND, VideoTimeline
from stream.sinks.write_errors import closed_error, write_error

_QUALITY = {"preset": "veryfast", "crf": "23"}
# Fragments while it grows, so that a killed run leaves a video that plays up to its last key frame;
# an ordinary MP4 once it is closed. Without delay_moov the B frames shift all times.
# The start time is written in ticks of the movie: by default milliseconds.
_CONTAINER = {
    "movflags": "hybrid_fragmented+frag_keyframe+delay_moov",
    "movie_timescale": str(TICKS_PER_SECOND),
}
_TIME_BASE = Fraction(1, TICKS_PER_SECOND)
# H.273 codes: BT.709 for matrix, primaries and transfer; 1 of AVColorRange is 16-235.
_BT709 = 1
_BROADCAST_RANGE = 1


@dataclass(frozen=True, slots=True)
class _Writer:
    container: OutputContainer
    stream: VideoStream

    def write(self, frame: av.VideoFrame | None) -> None:
        """Encodes a frame; None drains the encoder."""
        for packet in self.stream.encode(frame):
            self.container.mux(packet)


class AnnotatedVideoSink:
    """H.264 without sound; every frame at its own time, the size that of the first frame.

    A later frame of another size is scaled into the first size, with black bars where the shape
    differs. Odd sizes grow by one row or column (H.264 4:2:0 has even sizes). Frames that were not
    inferred are shown plain with a note, dropped ones not at all. Written as `FILE.partial` until
    `close`.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Makes the file; the encoder uses `threads` threads.

        Raises:
            ConfigError: if the name does not end in `.mp4`, or `threads` is below 1.
            SinkError: if it cannot be written there, or PyAV has no H.264 encoder.
        """
        if path.suffix.lower() != ".mp4" or threads < 1:
            raise ConfigError(
                f"annotated video: expected a name that ends in .mp4 and 1 or more threads, "
                f"got {path.name!r} and {threads}"
            )
        _require_encoder()
        self._threads = threads
        self._file = PartialFile(path)
        self._file.create()
        self._timeline = VideoTimeline()
        self._writer: _Writer | None = None
        self._is_open = True

    def publish(self, result: FrameResult) -> None:
        """See `Sink.publish`."""
        if not self._is_open:
            raise closed_error(str(self._file.final))
        if result.outcome is Outcome.DROPPED:
            return  # its pixels are gone (`stream/worker.py`); the frame before stays on screen
        rgb = annotated(result)
        try:
            if self._writer is None:
                self._writer = self._open_writer(even_size(rgb.shape[1], rgb.shape[0]))
            self._writer.write(self._frame(result, rgb, self._writer.stream))
        except (FFmpegError, OSError) as error:
            raise self._error(error) from error

    def close(self) -> None:
        """See `Sink.close`; without a single frame no file is left, for an MP4 cannot be empty."""
        if not self._is_open:
            return
        self._is_open = False
        if self._writer is None:
            self._file.keep()
            return
        try:
            self._finish(self._writer)
        except (FFmpegError, OSError) as error:
            raise self._error(error) from error
        self._file.finish()

    def abandon(self) -> None:
        """See `Sink.abandon`; the partial video plays up to the last frame that was written."""
        if not self._is_open:
            return
        self._is_open = False
        if self._writer is not None:
            with suppress(FFmpegError, OSError):
                self._finish(self._writer)
        self._file.keep()

    def _finish(self, writer: _Writer) -> None:
        self._writer = None
        try:
            writer.write(None)
        finally:
            writer.container.close()

    def _open_writer(self, size: tuple[int, int]) -> _Writer:
        path = str(self._file.partial)
        container = av.open(path, "w", format="mp4", options=_CONTAINER)
        # The rate is only a hint to the encoder's rate control: times come with the frames.
        stream = container.add_stream("libx264", rate=25, options=_QUALITY)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.thread_count = self._threads
        stream.codec_context.colorspace = _BT709
        stream.codec_context.color_primaries = _BT709
        stream.codec_context.color_trc = _BT709
        stream.codec_context.color_range = _BROADCAST_RANGE
        return _Writer(container, stream)

    def _frame(self, result: FrameResult, rgb: Rgb, stream: VideoStream) -> av.VideoFrame:
        fitted = fit(rgb, stream.width, stream.height)
        frame = av.VideoFrame.from_ndarray(fitted, "rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709)
        frame.pts = self._timeline.ticks(result.frame.epoch, result.frame.pts_seconds)
        frame.duration = self._timeline.step
        frame.time_base = _TIME_BASE
        return frame

    def _error(self, error: FFmpegError | OSError) -> SinkError:
        cause = OSError(error.errno, error.strerror)
        return write_error(str(self._file.final), cause, self._file.kept)


def _require_encoder() -> None:
    try:
        av.Codec("libx264", "w")
    except UnknownCodecError as error:
        raise SinkError(
            "annotated video: this build of PyAV has no H.264 encoder (libx264); install the wheel "
            "from the package index: pip install --force-reinstall --only-binary av av"
        ) from error


def even_size(width: int, height: int) -> tuple[int, int]:
    """The smallest even size that holds a picture."""
    return width + width % 2, height + height % 2


def fit(rgb: Rgb, width: int, height: int) -> Rgb:
    """The picture at another size: its shape kept, centred, black around.

    One missing row or column is a copy of the last one: a black line would be seen.
    """
    if even_size(rgb.shape[1], rgb.shape[0]) == (width, height):
        missing = ((0, height - rgb.shape[0]), (0, width - rgb.shape[1]), (0, 0))
        return np.pad(rgb, missing, mode="edge")
    place = letterbox(rgb.shape[1], rgb.shape[0], width, height)
    fitted = np.zeros((height, width, 3), np.uint8)
    rows = slice(place.top, place.top + place.inner_height)
    columns = slice(place.left, place.left + place.inner_width)
    size = (place.inner_width, place.inner_height)
    fitted[rows, columns] = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return fitted
