"""Every Prometheus metric of posestream; declared once, in one registry that is handed in.

Base units; `_total` counts; labels are bounded (stream, outcome, stage, queue, sink), never an
address, a person or a path. Every outcome starts at 0, so that rates exist before the first event.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from stream.cascade_metrics import CascadeMetrics
from stream.daemon_metrics import PREFIX, DaemonMetrics
from stream.frame import Outcome
from stream.ingest.decode_ladder import HARDWARE_RUNGS, DecodeRung, StepReason
from stream.traffic_metrics import TrafficMetrics

AGE_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)
STAGE_BUCKETS_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
)  # fmt: skip
BATCH_BUCKETS_FRAMES = (1, 2, 4, 8, 16, 32, 64)
RATIO_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)


class Stage(StrEnum):
    """Where the time of a frame or batch goes."""

    DECODE = "decode"
    PRE = "pre"
    QUEUE = "queue"
    INFER = "infer"
    POST = "post"
    CROP = "crop"
    """Cutting people out, in cascades; then what the models are that look at them."""
    POSE = "pose"
    REFINE = "refine"
    TRACK = "track"
    PUBLISH = "publish"


class Delivery(StrEnum):
    """What became of a result at a sink."""

    ACKED = "acked"
    FAILED = "failed"
    SPOOLED = "spooled"
    """Put on disk because the sink was away; counted again when it is replayed."""
    REPLAYED = "replayed"
    """Taken by the sink, out of the spool."""
    GAP = "gap"
    """Lost; a gap record stands in its place."""


class Metrics:
    """The metrics of one process. Safe to use from several threads.

    Series of a stream live from `open_stream` to `close_stream`; whoever opens a stream closes it.
    """

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        """Declares all metrics in `registry`; `version` is that of posestream."""
        self._declare_streams(registry)
        self._declare_stages(registry)
        self._declare_surroundings(registry)
        self.daemon = DaemonMetrics(registry)
        """Those that only a daemon feeds."""
        self.cascade = CascadeMetrics(registry)
        """Those that only cascades feed."""
        self.traffic = TrafficMetrics(registry)
        """Copies of pixels, bytes of results."""
        Info(f"{PREFIX}_build", "Version of posestream.", registry=registry).info(
            {"version": version}
        )

    def open_stream(self, stream: str) -> None:
        """Starts all series of a stream at 0."""
        for outcome in Outcome:
            self._frames.labels(stream, outcome.value)
        for counter in self._stream_counters:
            counter.labels(stream)

    def close_stream(self, stream: str) -> None:
        """Removes every series of a stream; nothing happens if it has none."""
        for outcome in Outcome:
            with suppress(KeyError):
                self._frames.remove(stream, outcome.value)
        for family in (*self._stream_counters, self._last_frame, self._newest_age):
            with suppress(KeyError):
                family.remove(stream)

    def frames_passed(self, stream: str, outcome: Outcome, count: int) -> None:
        """So many frames were read and met their outcome in the decoder."""
        self._frames_read.labels(stream).inc(count)
        self._frames.labels(stream, outcome.value).inc(count)

    def frame_read(self, stream: str, capture_seconds: float) -> None:
        """A frame left the decoder at `capture_seconds` (Unix time)."""
        self._frames_read.labels(stream).inc()
        self._last_frame.labels(stream).set(capture_seconds)

    def frame_seen(self, stream: str, capture_seconds: float) -> None:
        """The newest frame of a stream is from `capture_seconds`; it is counted elsewhere."""
        self._last_frame.labels(stream).set(capture_seconds)

    def frame_done(self, stream: str, outcome: Outcome, age_seconds: float) -> None:
        """A frame met its outcome; its result is `age_seconds` younger than the frame."""
        self._frames.labels(stream, outcome.value).inc()
        if outcome is Outcome.INFERRED:
            self._result_age.observe(max(age_seconds, 0.0))
            self._newest_age.labels(stream).set(max(age_seconds, 0.0))

    def packets_corrupt(self, stream: str, count: int) -> None:
        """So many more packets gave no frame."""
        self._corrupt_packets.labels(stream).inc(count)

    def people_found(self, stream: str, confidences: Sequence[float]) -> None:
        """People of one frame, by the mean keypoint confidence of each."""
        self._persons.labels(stream).inc(len(confidences))
        for confidence in confidences:
            self._keypoint_confidence.observe(confidence)

    def tracks_begun(self, stream: str, count: int) -> None:
        """So many people got a new track."""
        self._tracks.labels(stream).inc(count)

    def stage_done(self, stage: Stage, seconds: float) -> None:
        """A stage took so long for one frame or batch."""
        self._stage.labels(stage.value).observe(seconds)

    def batch_done(self, frames: int, capacity: int) -> None:
        """A batch of `frames` rode through an engine that takes `capacity`."""
        self._batch_size.observe(frames)
        self._batch_fill.observe(frames / capacity)

    def queue_filled(self, queue: str, length: int, capacity: int) -> None:
        """How full a queue is."""
        self._queue_length.labels(queue).set(length)
        self._queue_capacity.labels(queue).set(capacity)

    def open_sink(self, sink: str) -> None:
        """Starts the counts of a sink (`jsonl`, `redis`, ...) at 0."""
        for delivery in Delivery:
            self._sink_messages.labels(sink, delivery.value)

    def result_delivered(self, sink: str, delivery: Delivery) -> None:
        """What became of a result at a sink."""
        self._sink_messages.labels(sink, delivery.value).inc()

    def results_delivered(self, sink: str, delivery: Delivery, count: int) -> None:
        """So many more results met that end at a sink."""
        self._sink_messages.labels(sink, delivery.value).inc(count)

    def engine_started(self, model: str, fields: Mapping[str, str]) -> None:
        """Which engine runs a model: engine, version, precision, threads, canvas, result_bytes."""
        self._engine.labels(model).info(dict(fields))

    def engine_stepped_down(self, model: str, engine: str, refused: str) -> None:
        """A precision of an engine did not agree with the reference; a higher one is tried."""
        self._steps_down.labels(model, engine, refused).inc()

    def engine_passed_over(self, model: str, engine: str, obstacle: str) -> None:
        """`auto` would have taken that engine, and cannot (`stream.errors.Obstacle`)."""
        self._fallbacks.labels(model, engine, obstacle).inc()

    def decode_stepped_down(self, rung: DecodeRung, reason: StepReason) -> None:
        """A video is not decoded there any more, but a step lower."""
        self._decode_steps.labels(rung.value, reason.value).inc()

    def _declare_streams(self, registry: CollectorRegistry) -> None:
        self._frames = Counter(
            f"{PREFIX}_stream_frames_total",
            "Decoded frames by what became of them.",
            ("stream", "outcome"),
            registry=registry,
        )
        self._frames_read = Counter(
            f"{PREFIX}_stream_frames_read_total",
            "Decoded frames; those without an outcome yet are in flight.",
            ("stream",),
            registry=registry,
        )
        self._corrupt_packets = Counter(
            f"{PREFIX}_stream_corrupt_packets_total",
            "Packets that no frame could be decoded from.",
            ("stream",),
            registry=registry,
        )
        self._decode_steps = Counter(
            f"{PREFIX}_decode_steps_down_total",
            "Steps of the decode ladder that were left, and why.",
            ("rung", "reason"),
            registry=registry,
        )
        for rung, reason in product(HARDWARE_RUNGS, StepReason):
            self._decode_steps.labels(rung.value, reason.value)
        self._last_frame = Gauge(
            f"{PREFIX}_stream_last_frame_timestamp_seconds",
            "Unix time at which the newest frame left the decoder.",
            ("stream",),
            registry=registry,
        )
        self._newest_age = Gauge(
            f"{PREFIX}_stream_result_age_seconds",
            "Age of a stream's newest result, from the decoder to the sink.",
            ("stream",),
            registry=registry,
        )
        self._persons = Counter(
            f"{PREFIX}_persons_total",
            "People found, each counted in every frame.",
            ("stream",),
            registry=registry,
        )
        self._tracks = Counter(
            f"{PREFIX}_tracks_total", "Tracks begun.", ("stream",), registry=registry
        )
        self._stream_counters = (
            self._frames_read,
            self._corrupt_packets,
            self._persons,
            self._tracks,
        )
        self._keypoint_confidence = Histogram(
            f"{PREFIX}_keypoint_confidence",
            "Mean keypoint confidence of a person.",
            buckets=RATIO_BUCKETS,
            registry=registry,
        )

    def _declare_stages(self, registry: CollectorRegistry) -> None:
        self._result_age = Histogram(
            f"{PREFIX}_result_age_seconds",
            "From the decoder to the sink, for inferred frames.",
            buckets=AGE_BUCKETS_SECONDS,
            registry=registry,
        )
        self._stage = Histogram(
            f"{PREFIX}_stage_seconds",
            "Time in a stage, per frame or batch.",
            ("stage",),
            buckets=STAGE_BUCKETS_SECONDS,
            registry=registry,
        )
        for stage in Stage:
            self._stage.labels(stage.value)
        self._batch_size = Histogram(
            f"{PREFIX}_batch_size",
            "Frames that rode through an engine together.",
            buckets=BATCH_BUCKETS_FRAMES,
            registry=registry,
        )
        self._batch_fill = Histogram(
            f"{PREFIX}_batch_fill_ratio",
            "Frames of a batch by frames it has room for.",
            buckets=RATIO_BUCKETS,
            registry=registry,
        )

    def _declare_surroundings(self, registry: CollectorRegistry) -> None:
        self._queue_length = Gauge(
            f"{PREFIX}_queue_length", "Items waiting.", ("queue",), registry=registry
        )
        self._queue_capacity = Gauge(
            f"{PREFIX}_queue_capacity", "Items that may wait.", ("queue",), registry=registry
        )
        self._sink_messages = Counter(
            f"{PREFIX}_sink_messages_total",
            "Results by what became of them at a sink.",
            ("sink", "outcome"),
            registry=registry,
        )
        self._steps_down = Counter(
            f"{PREFIX}_engine_steps_down_total",
            "Times a precision was refused because it disagrees with the reference.",
            ("model", "engine", "refused"),
            registry=registry,
        )
        self._fallbacks = Counter(
            f"{PREFIX}_engine_fallbacks_total",
            "Times that an engine could not be opened and another one was taken, and why.",
            ("model", "engine", "reason"),
            registry=registry,
        )
        self._engine = Info(
            f"{PREFIX}_engine", "Engine that runs a model.", ("model",), registry=registry
        )


def new_registry() -> CollectorRegistry:
    """An empty registry; the library's global one would serve everybody's metrics."""
    return CollectorRegistry()
