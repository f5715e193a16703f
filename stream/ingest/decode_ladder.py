"""Which decoder reads a video: the steps of the ladder, and why one is left; pure.

    nvdec-zero-copy   NVIDIA's decoder; pictures stay on the GPU
    nvdec-download    NVIDIA's decoder; pictures come to the processor
    software          FFmpeg's own decoders on the processor

It is only ever left downwards, never in silence: each step has a reason that is logged and counted.
A connection that is made anew begins at the top again.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum


class DecodeWish(StrEnum):
    """What the user asks for."""

    AUTO = "auto"
    """NVIDIA's decoder where this machine has such a GPU; elsewhere the processor, and no word."""
    NVDEC = "nvdec"
    """NVIDIA's decoder is tried in any case."""
    SOFTWARE = "software"


class DecodeRung(StrEnum):
    """A step of the ladder, from the top."""

    ZERO_COPY = "nvdec-zero-copy"
    DOWNLOAD = "nvdec-download"
    SOFTWARE = "software"


class StepReason(StrEnum):
    """Why a step was left."""

    OPEN_FAILED = "open_failed"
    """The GPU's decoder cannot be opened: no driver, no session left, another context."""
    CODEC = "codec"
    """NVIDIA's decoders do not know it, or not this profile of it."""
    PIXEL_FORMAT = "pixel_format"
    """Pictures stay on the GPU as 8-bit NV12 with even sides only."""
    TURNED = "turned"
    """Pictures that are to be turned are turned on the processor."""
    DECODE_FAILED = "decode_failed"
    """The GPU's decoder gave an error instead of a frame."""


HARDWARE_RUNGS = (DecodeRung.ZERO_COPY, DecodeRung.DOWNLOAD)
_NEXT = {
    DecodeRung.ZERO_COPY: DecodeRung.DOWNLOAD,
    DecodeRung.DOWNLOAD: DecodeRung.SOFTWARE,
}
_CODECS: dict[str, AbstractSet[str]] = {
    "av1": {"Main"},
    "h264": {"Baseline", "Constrained Baseline", "Main", "Extended", "High", "Progressive High"},
    "hevc": {"Main", "Main 10", "Main Still Picture"},
    "mpeg1video": set(),
    "mpeg2video": set(),
    "mpeg4": set(),
    "vc1": set(),
    "vp8": set(),
    "vp9": {"Profile 0", "Profile 2"},
}
"""What NVDEC decodes as 4:2:0 (NVIDIA's support matrix): codec -> profiles, all if none is named.
Not every GPU has all of it (an H100 or H200 has no AV1): FFmpeg says so at the first packet."""
_DEEP_PROFILES = {"Main 10", "Profile 2"}
"""Of more than 8 bits."""


@dataclass(frozen=True, slots=True)
class DecodeStep:
    """A step that was left."""

    rung: DecodeRung
    """The one that was left."""
    reason: StepReason
    words: str


@dataclass(frozen=True, slots=True)
class DecodeLadder:
    """Where on the ladder a source is, and how it came there."""

    rung: DecodeRung
    steps: tuple[DecodeStep, ...] = ()

    def down(self, reason: StepReason, words: str) -> "DecodeLadder":
        """One step further down; a codec that NVIDIA's decoders do not know goes to the ground.

        Raises:
            ValueError: from the ground; there is no further step.
        """
        if self.rung is DecodeRung.SOFTWARE:
            raise ValueError(f"below software decoding there is nothing ({reason}: {words})")
        below = DecodeRung.SOFTWARE if reason is StepReason.CODEC else _NEXT[self.rung]
        step = DecodeStep(self.rung, reason, words)
        return replace(self, rung=below, steps=(*self.steps, step))


def first_rung(wish: DecodeWish, *, has_nvidia: bool, takes_device_pictures: bool) -> DecodeRung:
    """Where to begin.

    Args:
        wish: what the user asks for.
        has_nvidia: whether this machine has such a GPU, as far as a look at its devices can tell.
        takes_device_pictures: whether what comes after the decoder can use pictures on the GPU.
    """
    if wish is DecodeWish.SOFTWARE or (wish is DecodeWish.AUTO and not has_nvidia):
        return DecodeRung.SOFTWARE
    return DecodeRung.ZERO_COPY if takes_device_pictures else DecodeRung.DOWNLOAD


def refusal(rung: DecodeRung, codec: str, profile: str | None) -> tuple[StepReason, str] | None:
    """Why a rung cannot read a codec, and in words; None if it can, or nobody knows.

    Args:
        rung: to be judged.
        codec: as FFmpeg calls it.
        profile: likewise; None if the container does not say.
    """
    if rung is DecodeRung.SOFTWARE:
        return None
    if codec not in _CODECS:
        return StepReason.CODEC, f"NVIDIA's decoders do not read {codec}"
    if profile and _CODECS[codec] and profile not in _CODECS[codec]:
        return StepReason.CODEC, f"NVIDIA's decoders do not read {codec} of profile {profile}"
    if rung is DecodeRung.ZERO_COPY and profile in _DEEP_PROFILES:
        return StepReason.PIXEL_FORMAT, f"{codec} of profile {profile} has more than 8 bits"
    return None
