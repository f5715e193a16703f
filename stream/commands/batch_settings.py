"""What the user asked `posestream batch` for."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stream.commands.run_settings import RunSettings
from stream.ingest.decode_ladder import DecodeWish
from stream.jobs.manifest import JobSettings

MAX_USUAL_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Workforce:
    """How a job is worked on; the results do not depend on it."""

    jobs: int | None = None
    """Files read at a time; None for one a processor, 2 to 4."""
    threads: int | None = None
    batch: int | None = None
    allow_uncertified: bool = False
    cache: Path | None = None
    json_progress: bool = False
    quiet: bool = False
    metrics_port: int | None = None
    """Where Prometheus may ask while the job runs."""
    decode: DecodeWish = DecodeWish.AUTO

    @property
    def workers(self) -> int:
        """Files read at a time."""
        return self.jobs or min(max(_processors(), 2), MAX_USUAL_WORKERS)

    @property
    def decoder_threads(self) -> int:
        """For each file."""
        return max(1, _processors() // self.workers)


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """The options of `posestream batch`; see `stream/commands/batch_app.py`."""

    paths: tuple[str, ...]
    out: Path
    model: str
    workforce: Workforce
    engine: Literal["auto", "openvino", "onnxruntime"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"] = "auto"
    format: Literal["jsonl", "parquet"] = "jsonl"
    annotate: bool = False
    stride: int = 1
    smooth: bool = False
    detect_every: int = 1
    refine_below: float = 1.0
    fresh: bool = False


def run_settings(job: JobSettings, workforce: Workforce) -> RunSettings:
    """The same wishes as one for `posestream run`, without source and outputs."""
    return RunSettings(
        source="batch",
        model=job.model,
        engine=job.engine,  # type: ignore[arg-type]  # a manifest holds text; it was checked once
        precision=job.precision,  # type: ignore[arg-type]
        stride=job.stride,
        threads=workforce.threads,
        batch=workforce.batch,
        smooth=job.smooth,
        detect_every=job.detect_every,
        refine_below=job.refine_below,
        allow_uncertified=workforce.allow_uncertified,
        cache=workforce.cache,
        quiet=workforce.quiet,
    )


def _processors() -> int:
    return len(os.sched_getaffinity(0))
