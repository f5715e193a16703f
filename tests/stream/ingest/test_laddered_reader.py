"""The ladder with real videos. This machine need not have a GPU: readers that fail as one would,
and otherwise read in software, stand for its decoder where its absence is not the very point."""

import logging
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from av.video.frame import VideoFrame

from stream.clock import ManualClock
from stream.device_picture import DevicePicture
from stream.errors import HardwareDecodeError, SourceError
from stream.frame import Frame
from stream.ingest.decode_ladder import (
    DecodeLadder,
    DecodeRung,
    DecodeStep,
    DecodeWish,
    StepReason,
)
from stream.ingest.laddered_reader import Decoded, DecodeOptions, LadderedReader
from stream.ingest.pyav_source import PyavSource
from stream.ingest.video_address import VideoAddress, file_address
from stream.ingest.video_hardware import has_nvidia_device, open_video
from stream.ingest.video_reader import VideoReader
from stream.picture import ColourSpace, Plane
from stream.pixel_copies import CopyStep, TrafficCounts
from tests.media import Clips, number_in, with_rotation
from tests.nv12_reader import DeepReader, Nv12Reader
from tests.reading import read_all

ZERO_COPY, DOWNLOAD, SOFTWARE = DecodeRung
MAX_PIXELS = 32_000_000
FRAMES = 30

no_gpu = pytest.mark.skipif(has_nvidia_device(), reason="there is an NVIDIA GPU here")


class FailingReader(VideoReader):
    """Decodes in software, and fails after some frames as a GPU's decoder would."""

    def __init__(self, address: VideoAddress, after: int) -> None:
        super().__init__(address, thread_count=1, max_pixels=MAX_PIXELS)
        self._after = after

    def frames(self) -> Generator[VideoFrame, None, None]:
        for number, frame in enumerate(super().frames()):
            if number == self._after:
                raise HardwareDecodeError("cuvid gave up", StepReason.DECODE_FAILED)
            yield frame


@dataclass(frozen=True)
class HostPlanes:
    """Stands for planes on a device."""

    luma: Plane
    pairs: Plane

    @property
    def width(self) -> int:
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        return int(self.luma.shape[0])

    def download(self) -> tuple[Plane, Plane, Plane]:
        return self.luma, self.pairs[..., 0].copy(), self.pairs[..., 1].copy()


@dataclass
class Taker:
    """Takes capsules over with numpy, which reads those of the processor."""

    made_current: int = 0
    taken: list[DevicePicture] = field(default_factory=list)

    def make_current(self) -> None:
        self.made_current += 1

    def take(
        self, luma: object, chroma: object, space: ColourSpace, *, full_range: bool
    ) -> DevicePicture:
        y, pairs = (
            np.array(np.from_dlpack(cast(Any, _Capsule(one))), np.uint8) for one in (luma, chroma)
        )
        self.taken.append(DevicePicture(HostPlanes(y, pairs), space, full_range=full_range))
        return self.taken[-1]


class _Capsule:
    """numpy takes no bare capsule."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_wishes: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


Open = Callable[[DecodeRung], VideoReader]


def software(address: VideoAddress) -> VideoReader:
    return VideoReader(address, thread_count=1, max_pixels=MAX_PIXELS)


def laddered(open_reader: Open, first: DecodeRung, taker: Taker | None = None) -> LadderedReader:
    return LadderedReader(
        open_reader, DecodeLadder(first), stream="door", is_live=False, taker=taker
    )


def all_of(reader: LadderedReader) -> list[Decoded]:
    with closing(reader):
        return list(reader.frames())


def same(found: list[Frame], expected: list[Frame]) -> bool:
    return all(
        np.array_equal(one.picture.y, two.picture.y)
        and np.array_equal(one.picture.u, two.picture.u)
        and one.pts_seconds == two.pts_seconds
        for one, two in zip(found, expected, strict=True)
    )


@no_gpu
@pytest.mark.parametrize(("taker", "rungs"), [(None, [DOWNLOAD]), (Taker(), [ZERO_COPY, DOWNLOAD])])
def test_without_a_gpu_nvdec_steps_down_to_the_same_frames(
    taker: Taker | None, rungs: list[DecodeRung], clips: Clips, caplog: pytest.LogCaptureFixture
) -> None:
    path = clips.get("plain.mp4")
    expected = read_all(path)
    options = DecodeOptions(DecodeWish.NVDEC, taker, thread_count=1)
    source = PyavSource(
        file_address(path),
        stream="door",
        clock=ManualClock(),
        max_pixels=MAX_PIXELS,
        decode=options,
    )
    with closing(source), caplog.at_level(logging.WARNING):
        found = list(source.frames())
    assert same(found, expected)
    assert source.decode_rung is SOFTWARE
    assert [step.rung for step in source.decode_steps] == rungs
    assert {step.reason for step in source.decode_steps} == {StepReason.OPEN_FAILED}
    assert "nvidia-smi" in source.decode_steps[0].words
    if taker is not None:
        assert taker.made_current == 1


@no_gpu
def test_without_a_gpu_auto_reads_in_software_and_says_nothing(
    clips: Clips, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        reader = LadderedReader(
            lambda _rung: software(file_address(clips.get("plain.mp4"))),
            DecodeOptions(DecodeWish.AUTO, Taker()).begin(),
            stream="door",
            is_live=False,
        )
        assert len(all_of(reader)) == FRAMES
    assert (reader.rung, reader.steps) == (SOFTWARE, ())
    assert not [record for record in caplog.records if record.name.startswith("stream")]


@no_gpu
def test_where_a_device_but_no_decoder_is_auto_comes_down_to_the_same_frames(
    clips: Clips, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, counts = clips.get("plain.mp4"), TrafficCounts()
    expected = read_all(path)
    monkeypatch.setattr("stream.ingest.laddered_reader.has_nvidia_device", lambda: True)
    options = DecodeOptions(DecodeWish.AUTO, Taker(), counts.copied, thread_count=1)
    clock, address = ManualClock(), file_address(path)
    source = PyavSource(address, stream="door", clock=clock, max_pixels=MAX_PIXELS, decode=options)
    with closing(source), caplog.at_level(logging.WARNING):
        assert same(list(source.frames()), expected)
    told = [record for record in caplog.records if record.message == "decode_stepped_down"]
    assert [(one.__dict__["rung"], one.__dict__["reason"]) for one in told] == [
        ("nvdec-zero-copy", "open_failed"),
        ("nvdec-download", "open_failed"),
    ]
    assert not counts.pictures  # nothing was on a GPU


@no_gpu
def test_the_error_of_the_driver_is_not_taken_for_one_of_the_file(clips: Clips) -> None:
    """FFmpeg says "operation not permitted" where no driver is, whatever it may fall back to."""
    with pytest.raises(HardwareDecodeError, match="GPU's decoder cannot be opened"):
        open_video(file_address(clips.get("plain.mp4")), {}, DOWNLOAD)


@pytest.mark.parametrize("rung", [ZERO_COPY, DOWNLOAD])
def test_a_source_that_is_gone_is_no_fault_of_the_gpu(rung: DecodeRung, tmp_path: Path) -> None:
    address = file_address(tmp_path / "gone.mp4")
    with pytest.raises(SourceError) as raised:
        open_video(address, {}, rung)
    assert not isinstance(raised.value, HardwareDecodeError)


@pytest.mark.parametrize("after", [0, 1, 7, FRAMES - 1])
def test_a_decoder_that_fails_in_the_middle_is_replaced_without_losing_a_frame(
    after: int, clips: Clips, caplog: pytest.LogCaptureFixture
) -> None:
    address = file_address(clips.get("plain.mp4"))

    def open_reader(rung: DecodeRung) -> VideoReader:
        return software(address) if rung is SOFTWARE else FailingReader(address, after)

    reader = laddered(open_reader, DOWNLOAD)
    with caplog.at_level(logging.WARNING):
        decoded = all_of(reader)
    assert [number_in(one.picture) for one in decoded] == list(range(FRAMES))
    assert reader.steps == (DecodeStep(DOWNLOAD, StepReason.DECODE_FAILED, "cuvid gave up"),)
    [record] = [one for one in caplog.records if one.message == "decode_stepped_down"]
    assert (record.__dict__["rung"], record.__dict__["reason"]) == (
        "nvdec-download",
        "decode_failed",
    )


def test_every_picture_that_a_gpu_decoded_for_the_processor_is_counted(clips: Clips) -> None:
    address = file_address(clips.get("plain.mp4"))
    counts = TrafficCounts()

    def open_reader(rung: DecodeRung) -> VideoReader:
        return software(address) if rung is SOFTWARE else FailingReader(address, 7)

    reader = LadderedReader(
        open_reader,
        DecodeLadder(DOWNLOAD),
        stream="door",
        is_live=False,
        tell_copies=counts.copied,
    )
    pictures = [decoded.picture for decoded in all_of(reader)]
    assert len(pictures) == FRAMES
    # Those of the software decoder are in the processor's memory to begin with.
    assert counts.pictures == {CopyStep.FETCH: 7}
    size_bytes = pictures[0].width * pictures[0].height * 3 // 2
    assert counts.copied_bytes == {CopyStep.FETCH: 7 * size_bytes}


def test_a_camera_goes_on_where_it_is(clips: Clips) -> None:
    """The connection is made anew; here it begins at the start again, as a file does."""
    address = file_address(clips.get("plain.mp4"))

    def open_reader(rung: DecodeRung) -> VideoReader:
        return software(address) if rung is SOFTWARE else FailingReader(address, 5)

    reader = LadderedReader(open_reader, DecodeLadder(DOWNLOAD), stream="cam", is_live=True)
    numbers = [number_in(one.picture) for one in all_of(reader)]
    assert numbers == [*range(5), *range(FRAMES)]


def test_steps_are_told_only_once_a_lower_one_gave_a_frame(clips: Clips) -> None:
    address = file_address(clips.get("plain.mp4"))

    def open_reader(rung: DecodeRung) -> VideoReader:
        if rung is SOFTWARE:
            return software(address)
        raise HardwareDecodeError("no session left", StepReason.OPEN_FAILED)

    with closing(laddered(open_reader, ZERO_COPY)) as reader:
        before = reader.steps
        next(reader.frames())
        assert (before, [step.rung for step in reader.steps]) == ((), [ZERO_COPY, DOWNLOAD])


def test_pictures_that_stay_on_the_device_are_taken_as_capsules_at_once(clips: Clips) -> None:
    address, taker = file_address(clips.get("plain.mp4")), Taker()
    reader = laddered(
        lambda _rung: Nv12Reader(address, thread_count=1, max_pixels=MAX_PIXELS), ZERO_COPY, taker
    )
    found = all_of(reader)
    expected = read_all(clips.get("plain.mp4"))
    assert not reader.steps
    assert [one.picture for one in found] == taker.taken
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.picture.y, two.picture.y)
        np.testing.assert_array_equal(one.picture.v, two.picture.v)


@pytest.mark.parametrize(
    ("clip", "kind", "reason"),
    [
        ("plain", DeepReader, StepReason.PIXEL_FORMAT),
        ("odd", Nv12Reader, StepReason.PIXEL_FORMAT),
        ("turned", Nv12Reader, StepReason.TURNED),
    ],
)
def test_pictures_that_cannot_stay_there_come_to_the_processor(
    clip: str, kind: type[Nv12Reader], reason: StepReason, clips: Clips, tmp_path: Path
) -> None:
    path = clips.get("plain.mp4")
    if clip == "odd":
        path = clips.get("odd.avi", "mpeg4", size=(161, 129))
    if clip == "turned":
        path = with_rotation(path, tmp_path / "turned.mp4", 180)
    address = file_address(path)

    def open_reader(rung: DecodeRung) -> VideoReader:
        if rung is ZERO_COPY:
            return kind(address, thread_count=1, max_pixels=MAX_PIXELS)
        return software(address)

    reader = laddered(open_reader, ZERO_COPY, Taker())
    expected = read_all(path)
    for one, two in zip(all_of(reader), expected, strict=True):
        np.testing.assert_array_equal(one.picture.y, two.picture.y)
    [step] = reader.steps
    assert (step.rung, step.reason, reader.rung) == (ZERO_COPY, reason, DOWNLOAD)


def test_what_ffmpeg_would_decode_in_software_in_silence_is_found(clips: Clips) -> None:
    """PyAV swallows that a codec has no decoder on the GPU: here none has, being without one."""
    address = file_address(clips.get("plain.mp4"))
    reader = software(address)
    reader._rung = DOWNLOAD
    with closing(reader), pytest.raises(HardwareDecodeError, match="no decoder of the GPU"):
        reader._check_rung()


def test_the_first_damaged_packet_on_the_gpu_is_a_step_down(clips: Clips) -> None:
    """A GPU's decoder says "damaged" of what it cannot do; a software decoder reads over it."""
    reader = software(file_address(clips.get("plain.mp4")))
    with closing(reader):
        reader._check_decoder(ValueError())
        reader._rung = DOWNLOAD
        with pytest.raises(HardwareDecodeError) as raised:
            reader._check_decoder(ValueError())
    assert raised.value.reason == StepReason.DECODE_FAILED
