"""Reads a video file into a `Clip`; the only file of the camera that knows PyAV."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise
from pathlib import Path
from statistics import median

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from stream.camera.clip import AccessUnit, Clip
from stream.camera.nal_units import VideoCodec, is_parameter_set, split_annex_b
from stream.camera.rtp_payloads import payloads_of
from stream.errors import SourceError

CODECS = {"h264": VideoCodec.H264, "hevc": VideoCodec.H265}
"""FFmpeg's name of a codec -> ours."""
TO_ANNEX_B = {VideoCodec.H264: "h264_mp4toannexb", VideoCodec.H265: "hevc_mp4toannexb"}
"""They also put the parameter sets of the container before every key frame."""
PAYLOAD_BYTES = 1400
"""With RTP, UDP and IP headers a packet stays below the 1500 bytes of Ethernet."""
MAX_CLIP_BYTES = 2**30
DEFAULT_FPS = 25.0


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """One packet of the container; times in seconds."""

    units: list[bytes]
    dts: float
    pts: float
    is_key: bool


def read_clip(path: Path) -> Clip:
    """Reads all of the file's video into memory; other streams are left out.

    Raises:
        SourceError: if the file cannot be read, or holds no H.264 or H.265 video.
    """
    try:
        with av.open(str(path)) as container:
            return _clip(path, container)
    except SourceError:
        raise
    except (av.FFmpegError, OSError) as error:
        raise SourceError(f"{path}: cannot be read as a video: {error.strerror}") from error


def _clip(path: Path, container: InputContainer) -> Clip:
    stream = _video(path, container)
    codec = _codec(path, stream)
    packets = list(dropwhile(lambda packet: not packet.is_key, _packets(path, container, codec)))
    if not packets:
        raise SourceError(f"{path}: no key frame in it; the file is damaged or empty")
    return Clip(
        name=path.name,
        codec=codec,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        parameter_sets=tuple(u for u in packets[0].units if is_parameter_set(codec, u)),
        units=tuple(_access_unit(codec, packet, packets[0].dts) for packet in packets),
        loop_seconds=packets[-1].dts - packets[0].dts + _frame_seconds(packets, stream),
    )


def _video(path: Path, container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise SourceError(f"{path}: no video in it; a camera needs a file with video")
    return container.streams.video[0]


def _codec(path: Path, stream: VideoStream) -> VideoCodec:
    name = stream.codec_context.name
    if name not in CODECS:
        raise SourceError(
            f"{path}: the video is {name}, and the camera sends H.264 or H.265 as it is; convert "
            f"it first: ffmpeg -i {path.name} -an -c:v libx264 {path.stem}_h264.mp4"
        )
    return CODECS[name]


def _packets(path: Path, container: InputContainer, codec: VideoCodec) -> Iterator[_Coded]:
    stream = container.streams.video[0]
    to_annex_b = av.BitStreamFilterContext(TO_ANNEX_B[codec], stream)
    total = 0
    for packet in container.demux(stream):
        # The last packet is empty: it asks the filter for what it still holds.
        for made in to_annex_b.filter(packet if packet.size else None):
            total += made.size
            if total > MAX_CLIP_BYTES:
                raise SourceError(
                    f"{path}: more than {MAX_CLIP_BYTES >> 20} MiB of video, and the camera keeps "
                    f"it in memory; cut it: ffmpeg -i {path.name} -c copy -t 600 short.mp4"
                )
            yield _coded(path, made)


def _coded(path: Path, packet: "av.Packet[VideoStream]") -> _Coded:
    if packet.dts is None or packet.time_base is None:
        raise SourceError(
            f"{path}: its frames have no times; put them into a container that has: "
            f"ffmpeg -i {path.name} -c copy {path.stem}.mp4"
        )
    base = float(packet.time_base)
    pts = packet.dts if packet.pts is None else packet.pts
    units = split_annex_b(bytes(packet))
    return _Coded(units, packet.dts * base, pts * base, packet.is_keyframe)


def _frame_seconds(packets: Sequence[_Coded], stream: VideoStream) -> float:
    """How long the last picture stays before the next round begins."""
    gaps = [later.dts - earlier.dts for earlier, later in pairwise(packets)]
    return median(gaps) if gaps else 1 / float(stream.average_rate or DEFAULT_FPS)


def _access_unit(codec: VideoCodec, packet: _Coded, start: float) -> AccessUnit:
    payloads = [
        payload for unit in packet.units for payload in payloads_of(codec, unit, PAYLOAD_BYTES)
    ]
    return AccessUnit(packet.dts - start, packet.pts - packet.dts, tuple(payloads), packet.is_key)
