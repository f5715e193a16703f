"""Accuracy and time of models, cascades and peers, on the same pictures with the same evaluator.

    python -m tests.bench.bench_models --shared FOLDER --out FILE.json
        [--model bottom_up] [--model DETECTOR+TOP_DOWN] [--model truth+TOP_DOWN]
        [--shipped] [--peers | --peer NAME]
        [--engine openvino/bf16 ...] [--sets coco_kp ...] [--threads 1] [--again] [--keep-times]

A system on an engine and a set is a row of the file. Rows that are there are not measured again
without `--again` unless a model of theirs is another one now, so that a long table can be made in
pieces, and after new weights only what changed. `--keep-times` leaves the times of a row that is
there as they are: for a change of accuracy alone, measured on another machine. `--shipped` are all
models of the zoo and what can be made of them (`shipped_systems`). `truth` stands for the labelled
boxes. Clips are scored by the teacher's people; the time of a picture is the median over a set,
from the decoded picture to poses in its pixels: of the clock, for a quiet machine, and of the
processors that were busy with it, which with one thread is the same and which other programs hardly
change.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from statistics import median
from typing import Any

from builders.evaluation.clip_recall import ClipRecall, find_people, read_teacher, score_clip
from builders.evaluation.coco_eval import PredictShown, find_people_of, keypoint_statistics
from builders.evaluation.labels import Labels, labelled_set, read_labels
from builders.evaluation.pck import PckScale, pck_report
from builders.evaluation.peers import PEERS, PeerEngine, open_peer
from builders.evaluation.people import People, Rgb, read_rgb
from builders.evaluation.report import CLIPS, MISSED_BY_TEACHER
from builders.evaluation.systems import EngineChoice, SystemChoice, open_system, parse_system
from engines.artefact import Manifest
from engines.cascade.models import find_cascade
from engines.engine import Precision
from engines.open_engine import EngineName
from engines.zoo_models import find_model, list_models
from stream.clock import Clock, SystemClock
from stream.errors import ArtefactError
from stream.picture import Picture, to_rgb
from tests.bench.report import RESULTS, Figure, circumstances, make_report

SETS = ("coco_kp", "mixed_val", "lspet", "clips")
STAGES = ("one_pass", "detector", "top_down", "refiner")
PEER_SCORES = {
    "movenet_multipose": 0.15,
    "yolox_nano+movenet_thunder (box scores)": 0.35,
    "yolox_nano": 0.1,
}
"""From which a pose is a person on clips: the lowest that leave empty frames (nearly) empty."""
TRUTH = "truth+"
DECISIVE = {"onnx_sha256", "canvases", "crop_padding", "thresholds", "fp32_layers"}
"""What of a manifest changes the people that are found."""
TRACKERS_OWN = {"thresholds": {"start_score"}}
"""And what of it does not: the tracker alone reads it."""
PCK_SET = "lspet"
TIMES = ("ms a picture", "busy ms a picture")


@dataclass(frozen=True, slots=True)
class Row:
    """What one row measures."""

    system: str
    """As a user writes models, or a peer's name."""
    engine: str
    """`openvino/bf16`."""
    threads: int
    part: str
    """A labelled set, or `clips`."""

    @property
    def key(self) -> str:
        """In the file; of folders only their names."""
        return f"{self.name} | {self.engine} | {self.part}"

    @property
    def name(self) -> str:
        """The system, without folders."""
        if self.system in PEERS:
            return self.system
        return "+".join(Path(model).name for model in self.system.split("+"))

    @property
    def models(self) -> str | None:
        """What is measured, in few signs: other weights, canvases or thresholds give others."""
        if self.system in PEERS:
            return None
        names = [name for name in self.system.split("+") if name != TRUTH.strip("+")]
        fields = DECISIVE - ({"fp32_layers"} if self.choice[1] is Precision.FP32 else set())
        manifests = [find_model(name).manifest for name in names]
        told = [one.model_dump_json(include=fields, exclude=TRACKERS_OWN) for one in manifests]
        return sha256("".join(told).encode()).hexdigest()[:12]

    @property
    def choice(self) -> tuple[EngineName, Precision]:
        """Engine and precision."""
        engine, precision = self.engine.split("/")
        return EngineName(engine), Precision(precision)


class Timed:
    """Tells how long each picture took, and how long processors were busy with it."""

    def __init__(self, predict: PredictShown, clock: Clock) -> None:
        self._predict, self._clock = predict, clock
        self.seconds: list[float] = []
        self.busy_seconds: list[float] = []

    def __call__(self, image_id: int, rgb: Rgb) -> People:
        """The people of a picture."""
        began, busy = self._clock.monotonic(), busy_seconds()
        found = self._predict(image_id, rgb)
        self.seconds.append(self._clock.monotonic() - began)
        self.busy_seconds.append(busy_seconds() - busy)
        return found

    def figures(self) -> dict[str, float]:
        """Medians, milliseconds."""
        medians = (median(self.seconds), median(self.busy_seconds))
        return dict(zip(TIMES, (1000 * seconds for seconds in medians), strict=True))


def busy_seconds() -> float:
    """What all threads of this process took of processors: other programs hardly change it."""
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def opened(row: Row, shared: Path, labels: Labels, *, weak: bool = True) -> Iterator[PredictShown]:
    """The system of a row, its engines open; of ours also weak people, or as `run` has them."""
    engine, precision = row.choice
    if row.system in PEERS:
        on = PeerEngine(engine, precision, row.threads)
        yield open_peer(row.system, shared / "weights", on, labels)
        return
    names, boxes = parse_system(row.system, None)
    choice = EngineChoice(engine, precision, row.threads)
    with open_system(SystemChoice(names, boxes, engine=choice, weak=weak), labels) as system:
        if system.people is None:
            raise SystemExit(f"{row.system}: finds boxes only")
        yield system.people


def on_pictures_of(row: Row, shared: Path) -> dict[str, float]:
    """COCO's figures, PCK of the torso where people stand alone, and milliseconds a picture."""
    labels = read_labels(labelled_set(shared, row.part, "val"))
    with opened(row, shared, labels) as predict:
        for picture in labels.pictures if row.part != PCK_SET else labels.pictures[:1]:
            predict(picture["id"], read_rgb(labels.source.images / picture["file_name"]))
        timed = Timed(predict, SystemClock())
        found = find_people_of(timed, labels, SystemClock()).people
    figures = keypoint_statistics(labels, found)
    if row.part == PCK_SET:
        figures |= pck_report(labels, found, PckScale.TORSO).total
    return figures | timed.figures()


def on_clips(row: Row, shared: Path) -> dict[str, float]:
    """People of the teacher that were found, and empty frames in which somebody was seen."""
    labels = read_labels(labelled_set(shared, "coco_kp", "val"))  # opening wants some pictures
    counted = []
    with opened(row, shared, labels, weak=False) as predict:

        def of_picture(picture: Picture) -> People:
            return predict(0, to_rgb(picture))

        for clip in CLIPS:
            taught = read_teacher(shared / "labelled" / "video_pseudo" / f"{clip}.json")
            left_out = MISSED_BY_TEACHER.get(clip, frozenset())
            teacher = tuple(frame for frame in taught if frame.index not in left_out)
            people = find_people(of_picture, shared / "videos" / f"{clip}.mp4", teacher)
            counted.append(score_clip(people, teacher, person_score(row.system)))
    return clip_figures(counted)


def person_score(system: str) -> float:
    """From which score a pose of the system is a person; in a labelled box everybody is one."""
    if system.startswith(TRUTH):
        return 0.0
    known = [score for start, score in PEER_SCORES.items() if system.startswith(start)]
    return known[0] if known else find_cascade(system).thresholds.min_score


def clip_figures(counted: list[ClipRecall]) -> dict[str, float]:
    """Over all clips."""
    asked = {name: sum(getattr(one, name) for one in counted) for name in ClipRecall.__slots__}
    shares = {
        "recall": asked["found"] / asked["people"],
        "false frame share": asked["false_frames"] / asked["empty_frames"],
    }
    return {**{name: float(value) for name, value in asked.items()}, **shares}


def shipped_systems(zoo: Sequence[Manifest]) -> list[str]:
    """Models that find people, top-down ones on labelled boxes, and cascades behind each of both.

    A refiner stands behind what ends in poses, a one-pass model before top-down ones only where
    there is no detector.
    """
    by_stage = {one: [m.name for m in zoo if m.stage == one] for one in STAGES}
    alone, top_down = by_stage["one_pass"], by_stage["top_down"]
    finders = by_stage["detector"] or alone
    cascades = [f"{finder}+{pose}" for finder in finders for pose in top_down]
    refined = [
        f"{poses}+{refiner}" for poses in (*alone, *cascades) for refiner in by_stage["refiner"]
    ]
    return [*alone, *cascades, *refined, *(TRUTH + pose for pose in top_down)]


def wanted_rows(options: argparse.Namespace) -> list[Row]:
    """Every system on every engine and set that suit it."""
    shipped = shipped_systems(list_models()) if options.shipped else []
    systems = [*options.model, *shipped, *(PEERS if options.peers else options.peer)]
    rows = [
        Row(system, engine, options.threads, part)
        for system in systems
        for engine in options.engine
        for part in options.sets
    ]
    return [
        row
        for row in rows
        if not (row.part == "clips" and row.system.startswith(TRUTH))
        and not (row.system in PEERS and row.engine == "onnxruntime/bf16")
    ]


def is_known(row: Row, rows: Mapping[str, Any]) -> bool:
    """Whether just this was measured."""
    return row.key in rows and rows[row.key].get("models") == row.models


def is_outdated(measured: Mapping[str, Any]) -> bool:
    """Whether a model of a measured row is another one by now; what does not ship stays."""
    row = Row(measured["system"], measured["engine"], measured["threads"], measured["set"])
    try:
        return "models" in measured and measured["models"] != row.models
    except ArtefactError:
        return False


def with_times_of(before: Mapping[str, Any] | None, figures: dict[str, float]) -> dict[str, float]:
    """Figures with the times of a row that was measured before, if there is one."""
    known = before["figures"] if before else {}
    return figures | {name: known[name] for name in TIMES if name in known}


def figures_of(rows: dict[str, Any]) -> list[Figure]:
    """AP on pictures, PCK on lspet, people found on clips."""
    found = []
    for _, row in sorted(rows.items()):
        where = f"{row['system']} on {row['engine']}, {row['set']}"
        name = "recall" if row["set"] == "clips" else "AP"
        found.append(Figure(f"{name} of {where}", row["figures"][name], ""))
        if "PCK@0.2" in row["figures"]:
            found.append(Figure(f"PCK@0.2 of {where}", row["figures"]["PCK@0.2"], ""))
        if "busy ms a picture" in row["figures"]:
            busy = row["figures"]["busy ms a picture"]
            found.append(Figure(f"Processor time a picture of {where}", busy, "ms"))
    return found


def main() -> None:
    """Measures what is not there and writes after each row."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--shipped", action="store_true")
    parser.add_argument("--peer", action="append", choices=list(PEERS), default=[])
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--engine", nargs="+", default=["openvino/bf16", "openvino/fp32"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--keep-times", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS / "models.json")
    options = parser.parse_args()
    rows: dict[str, Any] = {}
    if options.out.is_file():
        rows = json.loads(options.out.read_text("utf-8"))["details"]["rows"]
    for row in wanted_rows(options):
        if is_known(row, rows) and not options.again:
            continue
        measured = on_clips if row.part == "clips" else on_pictures_of
        figures = measured(row, options.shared)
        if options.keep_times:
            figures = with_times_of(rows.get(row.key), figures)
        around = {name: circumstances()[name] for name in ("commit", "load_average")}
        rows[row.key] = {
            "system": row.name,
            "peer": row.system in PEERS,
            "engine": row.engine,
            "threads": row.threads,
            "set": row.part,
            **({"models": row.models} if row.models else {}),
            "figures": {name: round(value, 4) for name, value in figures.items()},
            **around,
        }
        report = make_report("models", figures_of(rows), {"rows": rows}, SystemClock())
        options.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        sys.stdout.write(f"{row.key}: {rows[row.key]['figures']}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
