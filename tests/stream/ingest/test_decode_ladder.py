"""The policy alone: which step comes first, which next, and what each cannot do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.ingest.decode_ladder import (
    HARDWARE_RUNGS,
    DecodeLadder,
    DecodeRung,
    DecodeStep,
    DecodeWish,
    StepReason,
    first_rung,
    refusal,
)

ZERO_COPY, DOWNLOAD, SOFTWARE = DecodeRung


@pytest.mark.parametrize(
    ("wish", "has_nvidia", "takes", "first"),
    [
        (DecodeWish.AUTO, False, True, SOFTWARE),
        (DecodeWish.AUTO, True, False, DOWNLOAD),
        (DecodeWish.AUTO, True, True, ZERO_COPY),
        (DecodeWish.NVDEC, False, False, DOWNLOAD),
        (DecodeWish.NVDEC, False, True, ZERO_COPY),
        (DecodeWish.SOFTWARE, True, True, SOFTWARE),
    ],
)
def test_the_first_step_is_the_highest_that_is_wanted_and_may_work(
    wish: DecodeWish, has_nvidia: bool, takes: bool, first: DecodeRung
) -> None:
    assert first_rung(wish, has_nvidia=has_nvidia, takes_device_pictures=takes) is first


@given(st.sampled_from(HARDWARE_RUNGS), st.lists(st.sampled_from(list(StepReason)), max_size=4))
def test_whatever_fails_the_ground_is_reached_and_every_step_remembered(
    first: DecodeRung, reasons: list[StepReason]
) -> None:
    ladder, rungs = DecodeLadder(first), list(DecodeRung)
    for reason in reasons:
        if ladder.rung is SOFTWARE:
            break
        before = ladder
        ladder = before.down(reason, "words")
        assert rungs.index(ladder.rung) > rungs.index(before.rung)
        assert ladder.steps == (*before.steps, DecodeStep(before.rung, reason, "words"))
    assert len(ladder.steps) == min(len(reasons), len(ladder.steps))


def test_a_codec_that_the_gpu_does_not_know_goes_to_the_ground_at_once() -> None:
    assert DecodeLadder(ZERO_COPY).down(StepReason.CODEC, "").rung is SOFTWARE
    assert DecodeLadder(ZERO_COPY).down(StepReason.TURNED, "").rung is DOWNLOAD


def test_there_is_nothing_below_the_ground() -> None:
    with pytest.raises(ValueError, match="there is nothing"):
        DecodeLadder(SOFTWARE).down(StepReason.DECODE_FAILED, "")


@pytest.mark.parametrize(
    ("rung", "codec", "profile", "reason"),
    [
        (ZERO_COPY, "h264", "High", None),
        (ZERO_COPY, "h264", None, None),
        (DOWNLOAD, "h264", "High 10", StepReason.CODEC),
        (DOWNLOAD, "h264", "High 4:4:4 Predictive", StepReason.CODEC),
        (ZERO_COPY, "hevc", "Main 10", StepReason.PIXEL_FORMAT),
        (DOWNLOAD, "hevc", "Main 10", None),
        (DOWNLOAD, "hevc", "Rext", StepReason.CODEC),
        (ZERO_COPY, "mpeg2video", "Main", None),
        (DOWNLOAD, "prores", None, StepReason.CODEC),
        (DOWNLOAD, "rawvideo", None, StepReason.CODEC),
        (SOFTWARE, "prores", None, None),
    ],
)
def test_what_a_step_cannot_decode_is_known_beforehand(
    rung: DecodeRung, codec: str, profile: str | None, reason: StepReason | None
) -> None:
    refused = refusal(rung, codec, profile)
    assert (None if refused is None else refused[0]) is reason
