import itertools
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.delivery.record import Cursor
from stream.delivery.segment_file import SUFFIX
from stream.delivery.spool import LEAST_BYTES, Spool, SpoolLimits
from stream.errors import ConfigError, SinkError
from tests.command_line import REPOSITORY, environment
from tests.stream.delivery.records import record

WRITER = str(REPOSITORY / "tests" / "stream" / "delivery" / "spool_writer.py")
SMALL = SpoolLimits(max_bytes=LEAST_BYTES)
LARGE = SpoolLimits()


def filled(folder: Path, count: int, limits: SpoolLimits = LARGE) -> Spool:
    spool = Spool(folder, limits)
    assert spool.begin(spool.cursor)
    for _ in range(count):
        spool.append(record(spool.end))
    return spool


def drained(spool: Spool, chunk: int = 7) -> list[int]:
    """The sequences of everything that waits."""
    found: list[int] = []
    while records := spool.peek(chunk):
        found += [one.sequence for one in records]
        spool.ack(len(records), spool.cursor.past(records[-1]))
    return found


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def test_records_come_back_in_order_and_whole(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", 50)
    assert (spool.waiting, spool.lost) == (50, 0)
    assert spool.peek(100) == [record(sequence) for sequence in range(1, 51)]
    assert drained(spool) == list(range(1, 51))
    assert (spool.waiting, spool.is_empty, spool.size_bytes) == (0, True, 0)


def test_what_is_not_acknowledged_comes_again(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", 10)
    assert spool.peek(4) == spool.peek(4)
    spool.ack(3, spool.cursor.past(spool.peek(3)[-1]))
    assert [one.sequence for one in spool.peek(3)] == [4, 5, 6]


def test_a_new_process_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    first = filled(tmp_path / "s", 20)
    sent = first.peek(8)
    first.ack(8, first.cursor.past(sent[-1]))
    first.close()

    second = Spool(tmp_path / "s", LARGE)

    assert second.cursor == Cursor(9, sent[-1].id, sent[-1].mark)
    assert (second.waiting, second.end) == (12, 21)
    assert second.last_id == record(20).id
    second.append(record(21))
    assert drained(second) == list(range(9, 22))


def test_records_that_come_while_it_is_read_back_go_to_the_end(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", 3)
    found = []
    for sequence in range(4, 40):
        [oldest] = spool.peek(1)
        found.append(oldest.sequence)
        spool.append(record(sequence))
        spool.ack(1, spool.cursor.past(oldest))
    assert found + drained(spool) == list(range(1, 40))


def test_an_empty_spool_leaves_no_folder(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", 3)
    drained(spool)
    spool.close()
    assert not (tmp_path / "s").exists()


def test_without_room_the_oldest_go_but_not_those_that_may_be_under_way(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", 1000, SMALL)
    assert spool.size_bytes <= LEAST_BYTES
    assert spool.lost == 1000 - spool.waiting
    found = drained(spool)
    jumps = [(a, b) for a, b in itertools.pairwise(found) if b != a + 1]
    assert len(jumps) == 1, "the oldest segment, one gap, the newest"
    assert found[0] == 1
    assert found[-1] == 1000
    assert len(found) == 1000 - spool.lost


def test_a_record_larger_than_the_spool_is_lost_and_counted(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", 2, SMALL)
    assert not spool.append(record(3, padding=LEAST_BYTES))
    assert spool.append(record(4))
    assert spool.lost == 1
    assert drained(spool) == [1, 2, 4]


def test_a_full_disk_loses_what_comes_and_takes_again_when_there_is_room(tiny_disk: Path) -> None:
    ballast = tiny_disk / "ballast"
    spool = filled(tiny_disk / "s", 5)
    ballast.write_bytes(b"x" * 40_000)
    stored = [spool.append(record(sequence)) for sequence in range(6, 106)]
    ballast.unlink()
    assert spool.append(record(106))

    taken = [6 + index for index, was_stored in enumerate(stored) if was_stored]
    assert spool.lost == stored.count(False) > 0
    assert drained(spool) == [1, 2, 3, 4, 5, *taken, 106]
    spool.close()


def test_what_is_delivered_is_remembered_on_a_full_disk_too(tiny_disk: Path) -> None:
    spool = filled(tiny_disk / "s", 9)
    with (tiny_disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)
    spool.ack(4, spool.cursor.past(spool.peek(4)[-1]))
    spool.close()

    again = Spool(tiny_disk / "s", LARGE)
    assert again.cursor.sequence == 5
    again.close()


def test_a_cut_tail_is_cut_off_and_the_rest_kept(tmp_path: Path) -> None:
    filled(tmp_path / "s", 6).close()
    [path] = segments(tmp_path / "s")
    contents = path.read_bytes()
    path.write_bytes(contents[:-5])

    spool = Spool(tmp_path / "s", LARGE)

    assert path.stat().st_size < len(contents) - 5
    spool.append(record(spool.end))
    assert drained(spool) == [1, 2, 3, 4, 5, 6]


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=4), st.booleans())
def test_damage_loses_some_records_but_never_the_order(
    tmp_path_factory: pytest.TempPathFactory, hits: list[tuple[float, int]], lose_cursor: bool
) -> None:
    folder = tmp_path_factory.mktemp("spool") / "s"
    filled(folder, 12).close()
    [path] = segments(folder)
    contents = bytearray(path.read_bytes())
    for share, flip in hits:
        contents[round(share * (len(contents) - 1))] ^= flip
    path.write_bytes(contents)
    if lose_cursor:
        (folder / "delivered").write_bytes(b"nonsense")

    found = drained(Spool(folder, LARGE))

    assert found == sorted(set(found))
    assert set(found) <= set(range(1, 13))
    assert len(found) >= 12 - len(hits)


def test_damage_while_it_waits_is_counted(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", 10)
    [path] = segments(tmp_path / "s")
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)

    assert len(drained(spool)) == 9
    assert (spool.lost, spool.waiting) == (1, 0)


def test_a_missing_segment_is_counted(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", 120, SMALL)
    segments(tmp_path / "s")[1].unlink()
    found = drained(spool)
    assert spool.lost == 120 - len(found) > 0
    assert spool.waiting == 0


@pytest.mark.slow
@pytest.mark.parametrize("told_before", [1, 2, 3, 17, 60, 150, 399, 400, 401, 900])
def test_a_killed_writer_loses_nothing_that_was_stored(tmp_path: Path, told_before: int) -> None:
    told: list[int] = []
    for _ in range(2):  # the second process goes on with what the first one left
        with subprocess.Popen(
            [sys.executable, WRITER, str(tmp_path / "s")],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            told += [int(process.stdout.readline()) for _ in range(told_before)]
            process.kill()
            told += [int(line) for line in process.stdout if line.endswith("\n")]

    found = drained(Spool(tmp_path / "s", LARGE), chunk=50)

    assert found == list(range(1, len(found) + 1))
    assert told == sorted(told)
    assert set(told) <= set(found)
    assert len(found) - len(told) <= 2, "each process may be killed between storing and telling"


@pytest.mark.parametrize("wrong", [{"max_bytes": LEAST_BYTES - 1}, {"sync_seconds": -1}])
def test_limits_that_make_no_spool_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="spool: max_bytes must be"):
        SpoolLimits(**wrong)


def test_a_folder_that_cannot_be_written_is_named(read_only_folder: Path) -> None:
    with pytest.raises(SinkError, match=r"read_only.*the spool cannot be used"):
        Spool(read_only_folder / "s", LARGE)


def test_forcing_to_the_disk_waits_for_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[int] = []
    monkeypatch.setattr("os.fdatasync", forced.append)
    spool = filled(tmp_path / "s", 1)
    turn: Callable[[float], None] = spool.sync
    turn(10.0)
    spool.append(record(2))
    turn(10.5)
    assert len(forced) == 1
    turn(11.0)
    turn(12.0)
    assert len(forced) == 2
