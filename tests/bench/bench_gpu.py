"""Everything that only a machine with an NVIDIA GPU can prove, in one go, as JSON.

    python -m tests.bench.bench_gpu CLIP [--model M] [--engine torch] [--out FILE.json]

Kernels against the processor's path, each step of the decode ladder against the software decoder,
the engines' contract tests, a certificate of every shipped model, overlapped batches against single
ones, and a whole run against the engine alone with pixels that never come to the processor. A check
that fails is told with its words; the others still run. Exit code: 0 if all hold, 1 if one does
not, 2 if there is no GPU. The machine need not be online; engines are built before: `posestream
build all --engine torch`.
"""

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from engines.certification.certificate import Judgement
from engines.certification.certify import ReferenceFinder, certify
from engines.certification.picture_set import drawn_set
from engines.cuda_batch import import_torch
from engines.engine import Engine
from engines.engine_options import EngineOptions
from engines.engine_store import EngineStore, default_store_root
from engines.estimator import OnePassEstimator
from engines.nvidia_driver import Gpu, first_gpu
from engines.open_engine import EngineName, open_engine
from engines.preprocessing.device_frames import TorchTaker
from engines.preprocessing.preprocessor import TorchPreprocessor
from engines.preprocessing.pycuda_kernels import PycudaKernels
from engines.preprocessing.tensor_picture import uploaded
from engines.zoo_models import find_model, list_models
from stream.clock import SystemClock
from stream.errors import EngineError, PoseStreamError
from stream.geometry import best_canvas, letterbox
from stream.ingest.decode_ladder import DecodeRung, DecodeWish
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.open_source import open_source
from stream.pipeline import Run, Selection, StopRequest
from stream.run_statistics import RunStatistics
from stream.sinks.jsonl_sink import JsonlSink
from stream.tracking.tracker import Tracker
from stream.worker import run_concurrent
from tests.bench.gpu_checks import LEVELS, kernel_parity, kernel_times, ladder_rung, overlap
from tests.bench.report import Figure, write_report

FAILED, NO_GPU = 1, 2
OVERLAPPED_BATCHES = 64
LEAST_SHARE = 0.85
"""Of the engine's own speed that a whole run must reach."""
CLOCK = SystemClock()
Check = dict[str, Any]


def parity_of_pycuda() -> Check:
    """The kernels against the processor."""
    kernels = PycudaKernels()
    try:
        return _parity(kernels)
    finally:
        kernels.close()


def parity_of_torch() -> Check:
    """The twin on the GPU against the processor."""
    return _parity(TorchPreprocessor())


def _parity(preprocessor: PycudaKernels | TorchPreprocessor) -> Check:
    found = kernel_parity(preprocessor, "cuda")
    wait = import_torch().cuda.synchronize
    holds = max(found["canvas_levels"], found["crop_levels"]) <= LEVELS
    return found | kernel_times(preprocessor, "cuda", CLOCK, wait) | {"holds": holds}


def ladder(clip: Path, rung: DecodeRung) -> Check:
    """A step of the ladder holds if it decodes all frames as software does, and nothing copies."""
    found = ladder_rung(clip, rung, TorchTaker(), CLOCK)
    alike = found["frames"] == found["frames_expected"] and found["luma_levels"] == 0
    holds = alike and found["decoded_by"] == rung.value and not found["host_copies_of_pixels"]
    return found | {"holds": holds}


def contract() -> Check:
    """The contract tests of all engines that are here."""
    if importlib.util.find_spec("pytest") is None:
        return {"holds": False, "error": "pytest is not installed"}
    tests = ["tests/engines/test_engine_contract.py", "tests/engines/test_tensorrt_engine.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-rs", *tests]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"holds": done.returncode == 0, "said": done.stdout.strip().splitlines()[-20:]}


def end_to_end(arguments: argparse.Namespace) -> Check:
    """Frames a second of a run, from the file to poses, over those of the engine alone."""
    taker = _taker(arguments.device)
    decode = DecodeOptions(DecodeWish.NVDEC, taker)
    source = open_source(str(arguments.clip), stream="bench", clock=CLOCK, decode=decode)
    with closing(source), TemporaryDirectory() as folder:
        size = source.description.width, source.description.height
        engine = _engine(arguments, size)
        statistics = RunStatistics(CLOCK)
        run_concurrent(
            Run(
                source=source,
                estimator=OnePassEstimator(
                    find_model(arguments.model),
                    lambda _canvas: engine,
                    clock=CLOCK,
                    batch_size=arguments.batch,
                    observe=statistics.stage,
                ),
                new_tracker=Tracker,
                sink=JsonlSink(Path(folder, "run.jsonl")),
                observer=statistics,
                clock=CLOCK,
                stop=StopRequest(),
                selection=Selection(max_frames=arguments.frames),
            )
        )
    taker.close()
    alone = _engine_alone(engine, arguments, size)
    share = statistics.frames_per_second / alone
    copies = taker.copies.pictures
    return {
        "engine": asdict(engine.spec),
        "run_frames_per_second": statistics.frames_per_second,
        "engine_alone_frames_per_second": alone,
        "share": share,
        "decode_steps": [asdict(step) for step in source.decode_steps],
        "host_copies_of_pixels": copies,
        "poses": statistics.poses,
        "holds": share >= LEAST_SHARE and not copies and not source.decode_steps,
    }


def overlapped(arguments: argparse.Namespace) -> Check:
    """Batches that come from the processor, several on their way: in order, and the same."""
    width, height = find_model(arguments.model).manifest.canvases[0]
    dice = np.random.default_rng(5)
    shape = (arguments.batch, height, width, 3)
    batches = [dice.integers(0, 256, shape, np.uint8) for _ in range(OVERLAPPED_BATCHES)]
    with closing(_engine(arguments, (width, height))) as engine:
        found = overlap(engine, batches, CLOCK)
    return found | {"holds": found["results_alike"] and found["in_flight"] > 1}


def certificates(engine: str, names: Sequence[str]) -> Check:
    """Every model on the GPU's engine beside the fp32 reference; what was not built is told."""
    found = {name: told(partial(_certificate, engine, name)) for name in names}
    return {"models": found, "holds": all(one["holds"] for one in found.values())}


def _certificate(engine: str, name: str) -> Check:
    artefact = find_model(name)
    options = EngineOptions(store=EngineStore(default_store_root()))
    with ExitStack() as close_last:
        engines = [
            open_engine(artefact, engine=EngineName(engine), canvas=canvas, options=options)
            for canvas in artefact.manifest.canvases
        ]
        for one in engines:
            close_last.callback(one.close)
        found = certify(engines, artefact, drawn_set(), ReferenceFinder(artefact), CLOCK)
    return {
        "certificate": found.in_words,
        "precision": engines[0].spec.precision.value,
        "holds": found.verdict is not Judgement.FAILED,
    }


def _engine(arguments: argparse.Namespace, size: tuple[int, int]) -> Engine:
    artefact = find_model(arguments.model)
    return open_engine(
        artefact,
        engine=EngineName(arguments.engine),
        canvas=best_canvas(*size, artefact.manifest.canvases),
        options=EngineOptions((arguments.batch,), EngineStore(default_store_root())),
    )


def _taker(device: str) -> TorchTaker:
    try:
        PycudaKernels().close()
    except EngineError:
        return TorchTaker(device)
    return TorchTaker(device, open_preprocessor=PycudaKernels)


def _engine_alone(engine: Engine, arguments: argparse.Namespace, size: tuple[int, int]) -> float:
    with closing(open_source(str(arguments.clip), stream="bench", clock=CLOCK)) as source:
        picture = next(iter(source.frames())).picture
    place = letterbox(*size, *engine.spec.canvas)
    there = [uploaded(picture, arguments.device)] * arguments.batch
    batch = TorchPreprocessor().canvases(there, list(enumerate([place] * arguments.batch)))
    engine.infer({"canvas": batch})
    begun, rounds = CLOCK.monotonic(), max(1, arguments.frames // arguments.batch)
    for _ in range(rounds):
        engine.infer({"canvas": batch})
    return float(rounds * arguments.batch / (CLOCK.monotonic() - begun))


def told(check: Callable[[], Check]) -> Check:
    """What a check found, or why it could not."""
    try:
        return check()
    except (PoseStreamError, ImportError, RuntimeError) as error:
        return {"holds": False, "error": f"{type(error).__name__}: {error}"}


def figures(checks: Mapping[str, Check]) -> list[Figure]:
    """The numbers worth a line."""
    wanted = (
        (
            "decode nvdec-zero-copy",
            "frames_per_second",
            "Decoding on NVDEC, no copy",
            "frames/s",
        ),
        ("decode nvdec-download", "frames_per_second", "Decoding on NVDEC, downloaded", "frames/s"),
        ("decode software", "frames_per_second", "Decoding in software", "frames/s"),
        ("kernels pycuda", "canvas_levels", "Kernels, worst level of a canvas", "levels"),
        ("kernels pycuda", "crop_levels", "Kernels, worst level of a crop", "levels"),
        ("kernels pycuda", "eight_canvases_us", "Eight 1080p canvases in one launch", "us"),
        ("kernels pycuda", "thirty_crops_us", "Thirty crops in one launch", "us"),
        ("overlap", "frames_per_second_one_by_one", "Batches one by one", "frames/s"),
        ("overlap", "frames_per_second_overlapped", "Batches overlapped", "frames/s"),
        ("end to end", "share", "Whole run over the engine alone", ""),
        ("end to end", "host_copies_of_pixels", "Pictures that came to the processor", ""),
    )
    return [
        Figure(title, float(checks[check][key]), unit)
        for check, key, title, unit in wanted
        if key in checks.get(check, {})
    ]


def checks_of(arguments: argparse.Namespace) -> dict[str, Check]:
    """All of them; the decoder comes first, as it wants to be the first on the GPU."""
    found = {f"decode {rung}": told(partial(ladder, arguments.clip, rung)) for rung in DecodeRung}
    found["kernels pycuda"] = told(parity_of_pycuda)
    found["kernels torch"] = told(parity_of_torch)
    found["overlap"] = told(partial(overlapped, arguments))
    found["end to end"] = told(partial(end_to_end, arguments))
    shipped = [manifest.name for manifest in list_models() if manifest.stage != "scorer"]
    found["certificates"] = certificates(arguments.engine, shipped)
    found["contract"] = told(contract)
    return found


def parsed_arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--engine", default="torch", choices=["torch", "tensorrt", "tensorrt_rtx"])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--device", default="cuda", help="cpu only to try this program")
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args(words)


def versions(gpu: Gpu) -> dict[str, Any]:
    """Of what takes part."""
    torch = import_torch()
    return {"gpu": gpu.words, "cuda_of_driver": gpu.driver, "torch": str(torch.__version__)}


def main(words: Sequence[str] | None = None) -> int:
    """Checks everything, writes what was found."""
    arguments = parsed_arguments(words)
    try:
        gpu = first_gpu()
    except EngineError as error:
        sys.stderr.write(f"bench_gpu: {error}\n")
        return NO_GPU
    checks = checks_of(arguments)
    details = {"clip": arguments.clip.name, **versions(gpu), "checks": checks}
    write_report("gpu", figures(checks), details, arguments.out)
    return 0 if all(check["holds"] for check in checks.values()) else FAILED


if __name__ == "__main__":
    sys.exit(main())
