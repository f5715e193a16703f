"""One table: our model beside its peers, on labelled pictures and on clips."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from builders.evaluation.clip_recall import find_people, read_teacher, score_clip
from builders.evaluation.coco_eval import find_people_of, keypoint_statistics
from builders.evaluation.error_plot import draw_errors
from builders.evaluation.error_report import error_report
from builders.evaluation.labels import LabelledSet, labelled_set, read_labels
from builders.evaluation.movenet import MoveNetMultiPose
from builders.evaluation.people import (
    Predict,
    PredictPicture,
    on_pictures,
    predict_pictures_with,
    predict_with,
)
from stream.clock import SystemClock
from stream.errors import ConfigError
from stream.estimator import Estimator

SETS = ("coco_kp", "mixed_val")
CLIPS = (
    "street_static_vtest_h264",
    "one_by_one_persons_h264",
    "store_aisle_480x270_h264",
    "lab_two_persons_cam01_h264",
    "lab_two_persons_cam03_h264",
)
MOVENET_LONG_SIDES = (256, 384)
MOVENET_MIN_SCORE = 0.15
"""The lowest at which it leaves the empty frames of the clips (nearly) empty."""
MISSED_BY_TEACHER = MappingProxyType({"one_by_one_persons_h264": frozenset({195, 930})})
"""Annotated frames left out: a person is there, seen by eye, whom the teacher missed (in 195 one
leaves at the right edge)."""
CURVE_SCORES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
"""Thresholds at which clips are also scored, to choose one."""

Figures = dict[str, float]
Report = dict[str, dict[str, Figures]]
"""Figures by data set or clip, then by system."""


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """Something that finds people."""

    name: str
    predict: Predict
    predict_picture: PredictPicture
    min_score: float
    """From which score a pose counts as a person on clips; AP takes all."""


def our_system(estimator: Estimator, min_score: float) -> System:
    """A model of ours; the estimator hands over weak people too, for AP."""
    return System(
        estimator.model, predict_with(estimator), predict_pictures_with(estimator), min_score
    )


def movenet_systems(shared_data: Path, threads: int = 1) -> tuple[System, ...]:
    """MoveNet MultiPose at its two usual sizes."""
    onnx = shared_data / "weights" / "movenet_multipose_lightning.onnx"
    peers = [MoveNetMultiPose(onnx, side, threads) for side in MOVENET_LONG_SIDES]
    return tuple(
        System(f"movenet_multipose_{side}", peer, on_pictures(peer), MOVENET_MIN_SCORE)
        for side, peer in zip(MOVENET_LONG_SIDES, peers, strict=True)
    )


def evaluate_systems(
    systems: tuple[System, ...],
    shared_data: Path,
    tell: Callable[[str], object],
    plots: Path | None = None,
) -> Report:
    """All systems on the same pictures and frames; `tell` hears what is done next.

    With `plots`, where each system loses on each set is drawn into that folder as SET_SYSTEM.png.

    Raises:
        ConfigError: if the folder does not hold the labelled sets and clips.
    """
    _check(shared_data)
    report: Report = {}
    for system in systems:
        for name in SETS:
            tell(f"{system.name} on {name}/val")
            figures = set_figures(system, labelled_set(shared_data, name, "val"), name, plots)
            report.setdefault(f"{name}/val", {})[system.name] = figures
        for clip in CLIPS:
            tell(f"{system.name} on {clip}")
            report.setdefault(clip, {})[system.name] = clip_figures(system, shared_data, clip)
    return report


def set_figures(system: System, labelled: LabelledSet, name: str, plots: Path | None) -> Figures:
    """COCO's figures, what mending each kind of error would bring (`AP_after_...`), and people.

    `missed_people` and `false_people` are those of `error_report`, false ones from the system's
    own threshold on.
    """
    labels = read_labels(labelled)
    found = find_people_of(lambda _, rgb: system.predict(rgb), labels, SystemClock())
    errors = error_report(labels, found.people)
    if plots is not None:
        draw_errors(errors, plots / f"{name}_{system.name}.png", f"{system.name} on {name}/val")
    figures = keypoint_statistics(labels, found.people) | {"seconds": found.seconds}
    figures |= {f"AP_after_{step}": ap for step, ap in errors.ap_after.items() if step != "found"}
    figures |= {f"joints_{error}": float(count) for error, count in errors.total.items()}
    counted = [row for row in errors.by_score if row.from_score >= system.min_score]
    return figures | {
        "missed_people": sum(counts.missed for counts in errors.people.values()),
        "false_people": counted[0].false if counted else 0,
    }


def clip_figures(system: System, shared_data: Path, clip: str) -> Figures:
    """`ClipRecall.figures` at the system's threshold, and found and false frames at others.

    The keys of the others are `found_from_0.30` and `false_frames_from_0.30`.
    """
    labels = read_teacher(shared_data / "labelled" / "video_pseudo" / f"{clip}.json")
    left_out = MISSED_BY_TEACHER.get(clip, frozenset())
    teacher = tuple(frame for frame in labels if frame.index not in left_out)
    found = find_people(system.predict_picture, shared_data / "videos" / f"{clip}.mp4", teacher)
    figures = score_clip(found, teacher, system.min_score).figures()
    for min_score in CURVE_SCORES:
        recall = score_clip(found, teacher, min_score)
        figures[f"found_from_{min_score:.2f}"] = recall.found
        figures[f"false_frames_from_{min_score:.2f}"] = recall.false_frames
    return figures


def as_markdown(report: Report) -> str:
    """Two tables, rows are sets or clips, columns are systems."""
    sets = {name: figures for name, figures in report.items() if name.endswith("/val")}
    clips = {name: figures for name, figures in report.items() if name not in sets}
    return "\n".join([*_table("set (AP / AR)", sets, _set_cell), "",
                      *_table("clip (recall / false frames)", clips, _clip_cell)])  # fmt: skip


def _table(
    title: str, rows: Mapping[str, Mapping[str, Figures]], cell: Callable[[Figures], str]
) -> list[str]:
    systems = list(next(iter(rows.values()), {}))
    lines = [f"| {title} | " + " | ".join(systems) + " |", "|---" * (len(systems) + 1) + "|"]
    for name, figures in rows.items():
        lines.append(f"| {name} | " + " | ".join(cell(figures[s]) for s in systems) + " |")
    return lines


def _set_cell(figures: Figures) -> str:
    return f"{figures['AP']:.3f} / {figures['AR']:.3f}"


def _clip_cell(figures: Figures) -> str:
    recall = f"{figures['recall']:.3f}" if "recall" in figures else "-"
    return f"{recall} / {figures['false_frames']:.0f} of {figures['empty_frames']:.0f}"


def _check(shared_data: Path) -> None:
    lacking = [
        name for name in ("labelled", "videos", "weights") if not (shared_data / name).is_dir()
    ]
    if lacking:
        raise ConfigError(
            f"shared data {shared_data}: no folder {', '.join(lacking)}; expected the folder that "
            "holds labelled/, videos/ and weights/"
        )
