"""What an evaluation shows on a terminal: a progress bar, then tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from builders.evaluation.coco_eval import Shown
from builders.evaluation.error_report import ErrorReport
from builders.evaluation.joint_errors import JointError
from builders.evaluation.labels import Record

FIGURES = (
    "AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL",
    "people", "pictures", "seconds",
)  # fmt: skip
"""The keys of the JSON, in this order."""
WORST_PICTURES = 5


def progress_on(console: Console, what: str) -> Shown:
    """Shows how many pictures are done; Rich's own drawing thread stays off."""

    def shown(pictures: Sequence[Record]) -> Iterator[Record]:
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
            task = progress.add_task("", total=len(pictures))
            for picture in pictures:
                yield picture
                progress.advance(task)
                progress.refresh()

    return shown


def show_evaluation(
    evaluation: Mapping[str, Any], report: ErrorReport | None, console: Console, title: str
) -> None:
    """The tables."""
    figures = {name: evaluation[name] for name in FIGURES}
    console.print(title, soft_wrap=True, markup=False, highlight=False)
    console.print(_column_table("", figures))
    for section in ("crowd", "pck"):
        if section in evaluation:
            console.print(
                _column_table(section, evaluation[section].get("total", evaluation[section]))
            )
    if report:
        for table in error_tables(report):
            console.print(table)


def error_tables(report: ErrorReport) -> Iterator[Table]:
    """Joints, people, costs, and the pictures with most missed people."""
    kinds = [str(error) for error in JointError]
    joints = Table("joint", *kinds, title="labelled joints of people found")
    rows = report.joints | report.sizes | {"all": report.total}
    for name, counts in rows.items():
        joints.add_row(name, *(str(counts[kind]) for kind in kinds))
    yield joints
    people = Table("size", "people", "missed", "false", "doubles among these", title="people")
    for size, count in report.people.items():
        people.add_row(size, *map(str, asdict(count).values()))
    yield people
    yield _column_table("AP with each kind of error mended on top", report.ap_after)
    worst = sorted(report.pictures, key=lambda p: (p.missed, p.false), reverse=True)
    pictures = Table("picture", "people", "missed", "false", title="worst pictures")
    for picture in worst[:WORST_PICTURES]:
        row = (picture.people, picture.missed, picture.false)
        pictures.add_row(picture.file_name, *map(str, row))
    yield pictures


def _column_table(title: str, figures: Mapping[str, Any]) -> Table:
    table = Table(show_header=False, title=title or None, title_justify="left")
    for name, value in figures.items():
        if isinstance(value, int | float):  # PCK holds its shares by joint too
            table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
    return table
