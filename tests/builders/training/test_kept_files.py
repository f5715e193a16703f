"""Rows that are made once, by whichever run comes first."""

from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import numpy as np

from builders.training.kept_files import Rows, read_kept, write_kept

COUNT, BATCH = 5, 2


def rows(numbers: Sequence[int]) -> Rows:
    return {"squares": np.array([number**2 for number in numbers])}


def test_rows_come_back_and_nothing_half_made_is_left(tmp_path: Path) -> None:
    write_kept(tmp_path / "kept", COUNT, BATCH, rows)
    assert read_kept(tmp_path / "kept")["squares"].tolist() == [0, 1, 4, 9, 16]
    assert not list(tmp_path.glob("*.partial"))


def test_what_a_killed_run_left_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "kept.partial").mkdir()
    (tmp_path / "kept.partial" / "others.npy").touch()
    write_kept(tmp_path / "kept", COUNT, BATCH, rows)
    assert set(read_kept(tmp_path / "kept")) == {"squares"}


def test_of_two_runs_at_once_one_makes_the_rows_and_the_other_waits(tmp_path: Path) -> None:
    made_by: list[str] = []

    def by(name: str) -> Rows:
        made_by.append(name)
        return rows(range(COUNT))

    second = Thread(target=write_kept, args=(tmp_path / "kept", COUNT, COUNT, lambda _: by("2")))

    def first_rows(_: Sequence[int]) -> Rows:
        second.start()
        return by("1")

    write_kept(tmp_path / "kept", COUNT, COUNT, first_rows)
    second.join()
    assert made_by == ["1"]
    assert read_kept(tmp_path / "kept")["squares"].tolist() == [0, 1, 4, 9, 16]
