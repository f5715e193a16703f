"""What the processes of a daemon say to each other.

JSON, checked when it comes: a decoder reads what strangers send, so its word is not taken for more
than it says. Arrays follow a message as raw bytes (`Link`).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from stream.errors import LossCause
from stream.ingest.decode_ladder import DecodeRung, DecodeWish, StepReason
from stream.ingest.frame_timeline import TimeJump
from stream.pixel_copies import CopyStep


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StreamOrder(_Message):
    """To a decoder: read this stream, once, until it is lost or closed."""

    kind: Literal["open"] = "open"
    stream: str
    run: int
    """Counts the connections of a stream; whatever has an older number is out of date."""
    first_epoch: int
    address: str = Field(repr=False)
    """For FFmpeg; may hold a login."""
    shown: str
    protocols: str
    is_live: bool
    format: str | None
    options: tuple[tuple[str, str], ...]
    open_seconds: float
    read_seconds: float
    max_fps: float | None
    phase: float
    """Of the frame-rate cap."""
    max_pixels: int
    decode: DecodeWish = DecodeWish.AUTO


class CloseStream(_Message):
    """To a decoder: do not read this stream any more."""

    kind: Literal["close"] = "close"
    stream: str
    run: int


class ReturnSlot(_Message):
    """To a decoder: this slot is yours again."""

    kind: Literal["return"] = "return"
    segment: int
    slot: int


class Stop(_Message):
    """To any process: end."""

    kind: Literal["stop"] = "stop"


class Alive(_Message):
    """From any process, every now and then: its main loop turns."""

    kind: Literal["alive"] = "alive"


class StreamOpened(_Message):
    """From a decoder: the source is there, and its first frame."""

    kind: Literal["opened"] = "opened"
    stream: str
    run: int
    codec: str
    width: int
    height: int
    fps: float | None


class SegmentMade(_Message):
    """From a decoder, with a descriptor: pictures of this run will be in this memory."""

    kind: Literal["segment"] = "segment"
    stream: str
    run: int
    segment: int
    slots: Annotated[int, Field(ge=1, le=64)]
    slot_bytes: Annotated[int, Field(ge=1)]


class PassedFrames(_Message):
    """From a decoder: what became of frames there, since it last said so."""

    kind: Literal["passed"] = "passed"
    stream: str
    run: int
    skipped: Annotated[int, Field(ge=0)] = 0
    corrupt: Annotated[int, Field(ge=0)] = 0
    dropped: Annotated[int, Field(ge=0)] = 0
    corrupt_packets: Annotated[int, Field(ge=0)] = 0
    time_jumps: tuple[TimeJump, ...] = ()
    decode_steps: tuple[tuple[DecodeRung, StepReason], ...] = ()
    fetched: Annotated[int, Field(ge=0)] = 0
    """Pictures that came from the GPU to the processor."""
    fetched_bytes: Annotated[int, Field(ge=0)] = 0


class FrameReady(_Message):
    """From a decoder: a frame to infer is in a slot, which is the supervisor's from now on."""

    kind: Literal["frame"] = "frame"
    stream: str
    run: int
    epoch: Annotated[int, Field(ge=0)]
    index: Annotated[int, Field(ge=0)]
    pts_seconds: float
    capture_seconds: float
    read_seconds: float
    """Monotonic time at which it left the decoder; the clock is the machine's."""
    segment: int
    slot: int
    generation: int
    width: int
    height: int
    colour_space: str
    full_range: bool


class StreamLost(_Message):
    """From a decoder: the run is over, without being asked for."""

    kind: Literal["lost"] = "lost"
    stream: str
    run: int
    cause: LossCause
    words: str


class StreamClosed(_Message):
    """From a decoder: the run is over, as asked for."""

    kind: Literal["closed"] = "closed"
    stream: str
    run: int


class OpenModel(_Message):
    """To an engine: get ready."""

    kind: Literal["model"] = "model"
    model: str


class ModelReady(_Message):
    """From an engine: what runs a model; `fields` may still be unknown."""

    kind: Literal["ready"] = "ready"
    model: str
    fields: dict[str, str]
    open_seconds: float
    """Until it was ready; 0 if it was ready before."""
    parity_error_px: float | None = None
    """Of its certificate; None if that says nothing."""
    steps_down: tuple[tuple[str, str], ...] = ()
    """Engine and precision of what was refused before."""
    fallbacks: tuple[tuple[str, str], ...] = ()
    """Engines that could not be opened, and why."""


class ModelRefused(_Message):
    """From an engine: it cannot run the model."""

    kind: Literal["refused"] = "refused"
    model: str
    words: str


class MapSegment(_Message):
    """To an engine, with a descriptor: frames will be in this memory."""

    kind: Literal["map"] = "map"
    segment: int
    slots: int
    slot_bytes: int


class UnmapSegment(_Message):
    """To an engine: no frame will be there any more."""

    kind: Literal["unmap"] = "unmap"
    segment: int


class InferFrames(_Message):
    """To an engine: find the people in these frames; they are described as by decoders."""

    kind: Literal["infer"] = "infer"
    batch: int
    model: str
    frames: tuple[FrameReady, ...]


class PeopleFound(_Message):
    """From an engine, with float32 of shape (sum(people), joints * 3 + 1): x, y, c, ..., score."""

    kind: Literal["people"] = "people"
    batch: int
    people: tuple[int, ...]
    joints: int
    stages: tuple[tuple[str, float], ...]
    cascade: dict[str, int] = Field(default_factory=dict)
    """What a cascade took; empty from a single model."""
    copies: dict[CopyStep, tuple[int, int]] = Field(default_factory=dict)
    """Pictures and bytes that were copied since it last said so."""
    result_bytes: dict[str, int] = Field(default_factory=dict)
    """Of results that engines gave out, by model; likewise."""


class BatchFailed(_Message):
    """From an engine: the frames of a batch have no people."""

    kind: Literal["failed"] = "failed"
    batch: int
    words: str


Message = Annotated[
    StreamOrder
    | CloseStream
    | ReturnSlot
    | Stop
    | Alive
    | StreamOpened
    | SegmentMade
    | PassedFrames
    | FrameReady
    | StreamLost
    | StreamClosed
    | OpenModel
    | ModelReady
    | ModelRefused
    | MapSegment
    | UnmapSegment
    | InferFrames
    | PeopleFound
    | BatchFailed,
    Field(discriminator="kind"),
]
_ANY: TypeAdapter[Message] = TypeAdapter(Message)


def to_bytes(message: Message) -> bytes:
    """A message as it travels."""
    return message.model_dump_json().encode()


def from_bytes(text: bytes) -> Message:
    """A message that came.

    Raises:
        ValueError: if it is none.
    """
    return _ANY.validate_json(text)
