"""Whether this processor is quicker in bf16 or in fp32: every shipped model, both in turns.

    python -m tests.bench.bench_bf16 --out FILE.json [--seconds N]

The engines' people are first compared with those of the reference, as in `bench_engine_pairs`. A
figure above 1 says that fp32 is the quicker one: `engines.hardware.CpuFeatures.slow_bf16` must know
such a processor, and the bench says what it knows.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from engines.benchmark import Timing, take_turns
from engines.certification.picture_set import drawn_set
from engines.engine import Precision
from engines.hardware import cpu_features
from engines.open_engine import EngineName
from engines.zoo_models import find_model, list_models
from stream.clock import SystemClock
from tests.bench.bench_engine_pairs import Entry, open_all, ratio
from tests.bench.report import Figure, write_report

PAIR: tuple[Entry, Entry] = (
    (EngineName.OPENVINO, Precision.FP32, 1),
    (EngineName.OPENVINO, Precision.BF16, 1),
)


def in_turns(model: str, seconds: float) -> tuple[Timing, Timing]:
    """Calls of a model in fp32 and in bf16."""
    with ExitStack() as close_last:
        contestants, _ = open_all(find_model(model), PAIR, drawn_set(), close_last)
        fp32, bf16 = take_turns(contestants, seconds, SystemClock())
    return fp32, bf16


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    figures: list[Figure] = []
    milliseconds: dict[str, dict[str, float]] = {}
    for manifest in list_models():
        timings = in_turns(manifest.name, arguments.seconds)
        figure = ratio(*timings)
        name = f"{manifest.name}: {figure.name}"
        figures.append(Figure(name, figure.value, figure.unit, quartiles=figure.quartiles))
        milliseconds[manifest.name] = {one.name: round(one.quantile_ms(0.5), 2) for one in timings}
    details = {"slow_bf16": cpu_features().slow_bf16, "p50_ms": milliseconds}
    write_report("bf16", figures, details, arguments.out)


if __name__ == "__main__":
    main()
