from itertools import pairwise
from pathlib import Path

import av
import pytest

from stream.camera.nal_units import VideoCodec, nal_type
from stream.camera.read_clip import PAYLOAD_BYTES, read_clip
from stream.errors import SourceError
from tests.coded_clips import write_coded_clip
from tests.rtp_receiver import units_of

CODECS = {"h264": VideoCodec.H264, "h265": VideoCodec.H265}
TYPES_OF_SETS = {VideoCodec.H264: [7, 8], VideoCodec.H265: [32, 33, 34]}


@pytest.mark.parametrize("name", CODECS)
def test_a_video_becomes_a_clip_that_starts_with_all_a_decoder_needs(
    videos: dict[str, Path], name: str
) -> None:
    clip = read_clip(videos[name])
    codec = CODECS[name]
    assert (clip.codec, clip.width, clip.height, len(clip.units)) == (codec, 160, 120, 20)
    assert clip.loop_seconds == pytest.approx(0.8)
    assert [nal_type(codec, unit) for unit in clip.parameter_sets] == TYPES_OF_SETS[codec]
    first = units_of(codec, clip.units[0].payloads)
    assert [unit for unit in first if unit in clip.parameter_sets] == list(clip.parameter_sets)
    assert all(len(part) <= PAYLOAD_BYTES for unit in clip.units for part in unit.payloads)
    assert sum(unit.is_key for unit in clip.units) >= 2


@pytest.mark.parametrize("name", CODECS)
def test_a_receiver_decodes_every_frame_of_the_payloads(videos: dict[str, Path], name: str) -> None:
    clip = read_clip(videos[name])
    decoder = av.CodecContext.create("hevc" if name == "h265" else "h264", "r")
    frames = []
    for unit in clip.units:
        units = units_of(clip.codec, unit.payloads)
        frames += decoder.decode(av.Packet(b"".join(b"\0\0\0\1" + one for one in units)))
    frames += decoder.decode(None)
    assert len(frames) == 20
    assert not any(frame.is_corrupt for frame in frames)


def test_pictures_are_sent_in_decoding_order_with_their_time_of_presentation(
    tmp_path: Path,
) -> None:
    clip = read_clip(write_coded_clip(tmp_path / "b.mp4", b_frames=2))
    decoded = [unit.decode_seconds for unit in clip.units]
    shown = [unit.decode_seconds + unit.delay_seconds for unit in clip.units]
    assert all(earlier < later for earlier, later in pairwise(decoded))
    assert shown != sorted(shown)
    assert sorted(shown) == pytest.approx([shown[0] + index / 25 for index in range(20)])


@pytest.mark.parametrize("ending", ["mkv", "ts"])
@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_other_containers_are_read_too(ending: str, encoder: str, tmp_path: Path) -> None:
    clip = read_clip(write_coded_clip(tmp_path / f"clip.{ending}", encoder))
    assert len(clip.units) == 20
    assert clip.loop_seconds == pytest.approx(0.8, abs=0.002)


def test_one_frame_is_enough(tmp_path: Path) -> None:
    clip = read_clip(write_coded_clip(tmp_path / "one.mp4", frames=1))
    assert len(clip.units) == 1
    assert clip.loop_seconds > 0


def test_another_codec_is_refused_with_what_to_type(tmp_path: Path) -> None:
    path = write_coded_clip(tmp_path / "old.mp4", "mpeg4")
    remedy = "mpeg4.*ffmpeg -i old.mp4 -an -c:v libx264 old_h264.mp4"
    with pytest.raises(SourceError, match=remedy):
        read_clip(path)


def test_frames_without_times_are_refused_with_what_to_type(tmp_path: Path) -> None:
    path = write_coded_clip(tmp_path / "raw.h264")
    with pytest.raises(SourceError, match=r"no times.*ffmpeg -i raw.h264 -c copy raw.mp4"):
        read_clip(path)


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"words", "Invalid data")])
def test_what_is_no_video_is_refused(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "what.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=rf"what\.mp4: cannot be read as a video: {words}"):
        read_clip(path)


def test_a_file_of_sound_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(SourceError, match="no video in it"):
        read_clip(path)
