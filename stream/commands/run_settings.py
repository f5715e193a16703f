"""What the user asked `posestream run` for, checked as far as words go."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engines.cascade.settings import CascadeSettings
from stream.errors import ConfigError
from stream.ingest.decode_ladder import DecodeWish

DEMO = "demo"
DEMO_OUTPUT = "demo.jsonl"
DEMO_VIDEO = "demo.mp4"
STDOUT = "-"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The options of `posestream run`, one field each; see `stream/commands/app.py`."""

    source: str
    model: str
    engine: Literal["auto", "openvino", "onnxruntime", "torch", "tensorrt", "tensorrt_rtx"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"] = "auto"
    outputs: tuple[str, ...] = ()
    annotate: Path | None = None
    stride: int = 1
    max_frames: int | None = None
    metrics_port: int | None = None
    threads: int | None = None
    decode: DecodeWish = DecodeWish.AUTO
    batch: int | None = None
    """Frames in one call of the engine; None for what suits the source."""
    whole_batches: bool = False
    """Batches are full but for the last: the engine needs nothing for single frames."""
    smooth: bool = False
    detect_every: int = 1
    refine_below: float = 1.0
    refine_budget_seconds: float | None = None
    runner: Literal["inline", "concurrent"] = "concurrent"
    quiet: bool = False
    allow_uncertified: bool = False
    cache: Path | None = None

    def __post_init__(self) -> None:
        """Refuses the same output twice, and an output on top of the source."""
        places = [output for output in self.outputs if output == STDOUT or "://" in output]
        files = [Path(output) for output in self.outputs if output not in places]
        files += [self.annotate] if self.annotate else []
        names = [*places, *(str(file.resolve()) for file in files)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"two outputs go to {twice[0]}; give each its own name")
        if "://" not in self.source and str(Path(self.source).resolve()) in names:
            raise ConfigError(
                f"the output {self.source} is the source itself and would replace it; choose "
                "another name"
            )

    def for_files(self, file_batch: int) -> "RunSettings":
        """For frames that come as fast as they are taken, `file_batch` at once if the user left it.

        Frames of a camera never wait for others to fill a batch unless the user says so.
        """
        return replace(self, batch=self.batch or file_batch, whole_batches=True)

    @property
    def engine_batches(self) -> tuple[int, ...]:
        """What the engine is opened for."""
        batch = self.batch or 1
        return (batch,) if self.whole_batches else tuple(sorted({1, batch}))

    def with_demo_outputs(self) -> "RunSettings":
        """For the demo without any output: its results and its video, so there is something."""
        if self.source != DEMO or self.outputs or self.annotate:
            return self
        return replace(self, outputs=(DEMO_OUTPUT,), annotate=Path(DEMO_VIDEO))

    @property
    def cascade(self) -> CascadeSettings:
        """What is to be done where several models stand behind one another."""
        return CascadeSettings(
            self.batch or 1, self.detect_every, self.refine_below, self.refine_budget_seconds
        )

    @property
    def destinations(self) -> tuple[str, ...]:
        """Where results go, as the user wrote it."""
        return (*self.outputs, *([str(self.annotate)] if self.annotate else []))
