"""Loss and accuracy curves of a run as one PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def draw_curves(history: Sequence[dict[str, float]], path: Path, title: str) -> None:
    """Draws the losses (running mean of 50 steps) and the accuracies, whose names hold a space.

    Args:
        history: one entry a step: `step`, `loss` and parts, at times metrics.
        path: the PNG to write.
        title: above the picture.
    """
    import matplotlib as mpl  # noqa: PLC0415 - drawing is rare

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    steps = np.array([entry["step"] for entry in history])
    names = sorted({key for entry in history for key in entry if key != "step"})
    for name in (name for name in names if " " not in name):
        values = np.array([entry.get(name, np.nan) for entry in history])
        width = min(50, len(values))
        smooth = np.convolve(values, np.ones(width) / width, "valid")
        left.plot(steps[width - 1 :], smooth / max(smooth[0], 1e-12), label=name)
    left.set(yscale="log", xlabel="step", title=f"{title}: loss over its start")
    left.legend()
    for name in (name for name in names if " " in name):
        points = [(entry["step"], entry[name]) for entry in history if name in entry]
        right.plot(*zip(*points, strict=True), marker="o", label=name)
    right.set(xlabel="step", title="validation, averaged weights")
    if right.lines:
        right.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)
