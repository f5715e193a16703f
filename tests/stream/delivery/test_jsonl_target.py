import gzip
from pathlib import Path

import pytest

from stream.clock import ManualClock
from stream.delivery.jsonl_target import JsonlTarget
from stream.delivery.record import Cursor, Message, messages_of
from stream.delivery.rotating_files import RotationRule
from stream.errors import ConfigError, SinkAwayError, SinkError
from tests.stream.delivery.arrivals import told
from tests.stream.delivery.records import record


def messages(first: int, end: int, padding: int = 0) -> list[Message]:
    return [Message(one.id, one.line) for one in (record(n, 0, padding) for n in range(first, end))]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def frames(path: Path) -> list[int | str]:
    contents = path.read_bytes()
    text = gzip.decompress(contents) if path.suffix == ".gz" else contents
    return told(text.decode("ascii").splitlines())


def all_frames(folder: Path) -> list[int | str]:
    return [frame for path in sorted(folder.iterdir()) for frame in frames(path)]


def test_a_file_has_its_name_when_it_is_complete(tmp_path: Path) -> None:
    target = JsonlTarget(tmp_path, ManualClock(wall=1_700_000_000.25))
    assert names(tmp_path) == []
    target.deliver("clip", messages(1, 4))
    target.deliver("clip", messages_of("clip", Cursor(4), [record(6)]))
    assert names(tmp_path) == ["results-20231114T221320.250Z.jsonl.partial"]
    target.close()
    assert names(tmp_path) == ["results-20231114T221320.250Z.jsonl"]
    assert all_frames(tmp_path) == [1, 2, 3, "+2", 6]


def test_a_new_file_begins_after_so_many_bytes(tmp_path: Path) -> None:
    target = JsonlTarget(tmp_path, ManualClock(), RotationRule(max_bytes=1000))
    for first in range(1, 31, 3):
        target.deliver("clip", messages(first, first + 3))
    target.close()
    assert names(tmp_path) == [f"results-20231114T221320.00{n}Z.jsonl" for n in range(4)]
    assert all_frames(tmp_path) == list(range(1, 31))


def test_a_new_file_begins_after_so_long(tmp_path: Path) -> None:
    clock = ManualClock()
    target = JsonlTarget(tmp_path, clock, RotationRule(max_seconds=60))
    for first in range(1, 5):
        target.deliver("clip", messages(first, first + 1))
        clock.advance(40)
    target.close()
    assert [frames(path) for path in sorted(tmp_path.iterdir())] == [[1, 2], [3, 4]]


def test_complete_files_are_packed_and_the_oldest_go(tmp_path: Path) -> None:
    clock = ManualClock()
    rule = RotationRule(max_bytes=1, compress=True, keep_files=2)
    target = JsonlTarget(tmp_path, clock, rule)
    for first in range(1, 6):
        target.deliver("clip", messages(first, first + 1))
        clock.advance(1)
    target.close()
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".gz", ".gz"]
    assert all_frames(tmp_path) == [4, 5]


@pytest.mark.parametrize("compress", [False, True])
def test_what_a_killed_process_left_is_completed_without_its_cut_line(
    tmp_path: Path, compress: bool
) -> None:
    killed = JsonlTarget(tmp_path, ManualClock())
    killed.deliver("clip", messages(1, 4))
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-10])
    (tmp_path / "results-20200101T000000.000Z.jsonl.gz.partial").write_bytes(b"half")

    JsonlTarget(tmp_path, ManualClock(), RotationRule(compress=compress)).close()

    ending = ".jsonl.gz" if compress else ".jsonl"
    assert names(tmp_path) == [f"results-20231114T221320.000Z{ending}"]
    assert all_frames(tmp_path) == [1, 2]


def test_a_process_killed_between_packing_and_deleting_leaves_no_double(tmp_path: Path) -> None:
    target = JsonlTarget(tmp_path, ManualClock(), RotationRule(compress=True))
    target.deliver("clip", messages(1, 4))
    target.close()
    [packed] = tmp_path.iterdir()
    (tmp_path / packed.name.removesuffix(".gz")).write_bytes(gzip.decompress(packed.read_bytes()))

    JsonlTarget(tmp_path, ManualClock(), RotationRule(compress=True)).close()

    assert names(tmp_path) == [packed.name]


def test_a_full_disk_takes_nothing_and_then_everything_once(tiny_disk: Path) -> None:
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(b"x" * 40_000)
    target = JsonlTarget(tiny_disk / "files", ManualClock())
    target.deliver("clip", messages(1, 3))
    with pytest.raises(SinkAwayError, match="No space left"):
        target.deliver("clip", messages(3, 33, padding=1000))
    ballast.unlink()
    target.deliver("clip", messages(3, 33, padding=1000))
    target.close()
    assert all_frames(tiny_disk / "files") == list(range(1, 33))


def test_a_folder_that_cannot_be_written_is_named(read_only_folder: Path) -> None:
    with pytest.raises(SinkError, match="read_only"):
        JsonlTarget(read_only_folder / "files", ManualClock())


@pytest.mark.parametrize("wrong", [{"max_bytes": 0}, {"max_seconds": 0}, {"keep_files": 0}])
def test_rules_that_make_no_files_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="jsonl files: max_bytes and keep_files"):
        RotationRule(**wrong)  # type: ignore[arg-type]
