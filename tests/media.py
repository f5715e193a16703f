"""Small videos and pictures for tests: every frame carries its number in its pixels.

The number stands in the top eighth of the picture as eight black or white blocks, most significant
bit first, so it survives any codec and scaling; a grey ramp moves below it, so that P and B frames
have something to predict.
"""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stream.picture import Picture, to_rgb

WIDTH, HEIGHT, FPS = 160, 128, 25
BITS = 8
TICKS_PER_SECOND = 12_800
CODECS = {
    "h264": ("libx264", "mp4"),
    "hevc": ("libx265", "mp4"),
    "vp9": ("libvpx-vp9", "webm"),
    "av1": ("libsvtav1", "mp4"),
    "mpeg4": ("mpeg4", "avi"),
    "mjpeg": ("mjpeg", "mkv"),
    "mpeg2video": ("mpeg2video", "ts"),
}
"""What `Source.description` calls a codec -> encoder, container."""
_OPTIONS = {
    "libx265": {"x265-params": "log-level=none:pools=1"},
    "libsvtav1": {"svtav1-params": "lp=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}
_RIGHT_ANGLES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""Degrees clockwise -> a, b, c, d of the display matrix."""
_MATRIX_OFFSET = 4 + 40
"""Bytes from the name of a version 0 track header to its matrix (ISO 14496-12, 8.3.2)."""


def numbered_rgb(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """(height, width, 3) a picture that carries `number` modulo 256."""
    ramp = (np.arange(width) * 2 + 6 * number) % 128 + 64
    rgb = np.repeat(np.tile(ramp.astype(np.uint8), (height, 1))[..., None], 3, axis=2)
    for bit in range(BITS):
        white = number >> (BITS - 1 - bit) & 1
        columns = slice(bit * width // BITS, (bit + 1) * width // BITS)
        rgb[: height // 8, columns] = 235 if white else 20
    return rgb


def number_in(picture: Picture) -> int:
    """The number that a picture carries."""
    code = to_rgb(picture)[: picture.height // 8, :, 1]
    blocks = np.array_split(code[: max(1, code.shape[0] // 2)], BITS, axis=1)
    return sum(int(block.mean() > 127) << (BITS - 1 - bit) for bit, block in enumerate(blocks))


def write_video(
    path: Path,
    encoder: str = "libx264",
    *,
    frames: int = 30,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pixels: str = "yuv420p",
    b_frames: int = 0,
    times: Sequence[float] | None = None,
    sound: bool = False,
) -> Path:
    """Numbered frames, a key frame every 10.

    Args:
        path: its suffix chooses the container.
        encoder: FFmpeg's name of it.
        frames: how many.
        size: (width, height).
        pixels: FFmpeg's name of the pixel format.
        b_frames: how many in a row.
        times: seconds at which each frame is shown; None: 25 a second.
        sound: adds a silent sound track.
    """
    seconds = [index / FPS for index in range(frames)] if times is None else times
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream(encoder, rate=FPS))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.gop_size, stream.max_b_frames = 10, b_frames
        stream.options = dict(_OPTIONS.get(encoder, {}))
        if times is not None:
            stream.codec_context.time_base = Fraction(1, TICKS_PER_SECOND)
        base = Fraction(1, FPS) if times is None else Fraction(1, TICKS_PER_SECOND)
        audio = _add_sound(container) if sound else None
        for index, shown in enumerate(seconds):
            frame = av.VideoFrame.from_ndarray(numbered_rgb(index, *size), format="rgb24")
            frame.pts, frame.time_base = round(Fraction(shown) / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            _mux_silence(container, audio, len(seconds) / FPS)
    return path


def write_sound(path: Path, seconds: float = 0.5) -> Path:
    """Silence without a picture."""
    with av.open(str(path), "w") as container:
        _mux_silence(container, _add_sound(container), seconds)
    return path


def write_pictures(
    folder: Path, count: int, suffix: str = ".png", size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Path:
    """A folder of numbered pictures whose names sort wrongly as text: 0, 1, 2, ... 10."""
    folder.mkdir()
    for index in range(count):
        grey = numbered_rgb(index, *size)
        picture = grey[..., 0] if suffix == ".pgm" else grey
        assert cv2.imwrite(str(folder / f"view_{index}{suffix}"), picture)
    return folder


def with_rotation(source: Path, target: Path, degrees: int) -> Path:
    """A copy of an MP4 that says: show me turned clockwise by so much."""
    a, b, c, d = (value << 16 for value in _RIGHT_ANGLES[degrees])
    content = bytearray(source.read_bytes())
    begin = content.index(b"tkhd") + _MATRIX_OFFSET
    content[begin : begin + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(content)
    return target


def with_damage(
    source: Path, target: Path, packets: Sequence[int], begin_share: float = 0.0
) -> Path:
    """A copy with noise in the packets of these numbers, from a share of their length on."""
    content = bytearray(source.read_bytes())
    noise = np.random.default_rng(1)
    with av.open(str(source)) as container:
        for number, packet in enumerate(container.demux(video=0)):
            if number in packets and packet.pos is not None:
                begin = round(packet.size * begin_share)
                place = slice(packet.pos + begin, packet.pos + packet.size)
                content[place] = noise.bytes(packet.size - begin)
    target.write_bytes(content)
    return target


def cut_off(source: Path, target: Path, share: float) -> Path:
    """The first part of a file."""
    content = source.read_bytes()
    target.write_bytes(content[: int(len(content) * share)])
    return target


def without_index_at_end(source: Path, target: Path) -> Path:
    """The same MP4 with its index in front, so that a cut-off copy can still be read."""
    with (
        av.open(str(source)) as read,
        av.open(str(target), "w", options={"movflags": "faststart"}) as written,
    ):
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    return target


def _add_sound(container: av.container.OutputContainer) -> AudioStream:
    return container.add_stream("aac", rate=16_000, layout="mono")


def _mux_silence(
    container: av.container.OutputContainer, stream: AudioStream, seconds: float
) -> None:
    samples = 1024
    for index in range(max(1, round(seconds * 16_000 / samples))):
        silence = np.zeros((1, samples), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16_000, index * samples
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


class Clips:
    """A folder of numbered videos, each written when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str, encoder: str = "libx264", **wishes: Any) -> Path:
        """The clip of that file name, see `write_video`; one name, one set of wishes."""
        path = self._folder / name
        return path if path.exists() else write_video(path, encoder, **wishes)
