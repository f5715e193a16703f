"""Draws an error report as one PNG of four panels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builders.evaluation.error_report import ErrorReport, JointCounts
from builders.evaluation.joint_errors import JointError
from stream.errors import ConfigError

SIZE_INCHES = (13.0, 9.0)
DOTS_PER_INCH = 90
COLOURS = {
    JointError.GOOD: "#9aa5b1",
    JointError.JITTER: "#f0b429",
    JointError.INVERSION: "#8159c9",
    JointError.SWAP: "#2f80c2",
    JointError.MISS: "#d64545",
}
FOUND, FALSE = "#2f80c2", "#d64545"


def draw_errors(report: ErrorReport, path: Path, title: str) -> None:
    """Writes the PNG: errors by joint and by size, what each kind costs, people by score.

    Raises:
        ConfigError: if matplotlib is missing or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra; drawing is rare
    except ImportError as error:
        raise ConfigError(
            "matplotlib is not installed; install it with: pip install 'posestream[eval]'"
        ) from error
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    (joints, sizes), (steps, scores) = figure.subplots(2, 2, width_ratios=(3, 2))
    figure.suptitle(title)
    _joint_bars(joints, report.joints)
    joints.set_title("joints of people found: share by kind of error")
    joints.legend(ncols=len(JointError), loc="lower center", bbox_to_anchor=(0.5, -0.5))
    joints.tick_params(axis="x", rotation=90)
    _joint_bars(sizes, report.sizes | {"all": report.total})
    sizes.set_title("the same by size of the person")
    _steps(steps, report.ap_after)
    _people_by_score(scores, report)
    try:
        figure.savefig(path, dpi=DOTS_PER_INCH, format="png")
    except OSError as error:
        raise ConfigError(f"plot {path}: cannot be written: {error.strerror}") from error


def _joint_bars(axes: Any, rows: Mapping[str, JointCounts]) -> None:
    """Stacked shares, the number of joints above each bar."""
    names = list(rows)
    totals = [sum(counts.values()) for counts in rows.values()]
    floor = [0.0] * len(names)
    for error in JointError:
        shares = [
            counts[error] / max(total, 1)
            for counts, total in zip(rows.values(), totals, strict=True)
        ]
        axes.bar(names, shares, bottom=floor, color=COLOURS[error], label=str(error))
        floor = [low + share for low, share in zip(floor, shares, strict=True)]
    for index, total in enumerate(totals):
        axes.text(index, 1.01, str(total), ha="center", fontsize=8)
    axes.set_ylim(0, 1.08)


def _steps(axes: Any, ap_after: Mapping[str, float]) -> None:
    names = [name.replace("_", " ") for name in ap_after]
    values = list(ap_after.values())
    axes.barh(names, values, color="#9aa5b1")
    for index, value in enumerate(values):
        gain = "" if index == 0 else f"  (+{value - values[index - 1]:.3f})"
        axes.text(value, index, f" {value:.3f}{gain}", va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2)
    axes.set_title("AP as found, then with each kind of error mended on top")


def _people_by_score(axes: Any, report: ErrorReport) -> None:
    scores = [row.from_score for row in report.by_score]
    axes.plot(scores, [row.found for row in report.by_score], color=FOUND, label="found (OKS 0.5)")
    axes.plot(scores, [row.false for row in report.by_score], color=FALSE, label="false")
    people = sum(counts.people for counts in report.people.values())
    axes.axhline(people, color="#52606d", linestyle=":", label="labelled")
    axes.set_ylim(0, 2 * people)
    axes.set_xlabel("people with at least this score")
    axes.set_title("people found and false people")
    axes.legend()
