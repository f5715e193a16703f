import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream.errors import SinkError
from stream.sinks.jsonl_sink import JsonlSink, append_jsonl
from stream.sinks.sink import Sink
from stream.wire import decode_line, encode
from tests.results import result_of, standing_person
from tests.source_tree import REPOSITORY


def frames_in(path: Path) -> list[int]:
    return [decode_line(line).frame for line in path.read_text("ascii").splitlines()]


def publish_until_it_fails(sink: Sink) -> SinkError:
    try:
        for index in range(10_000):
            sink.publish(result_of(index, standing_person()))
    except SinkError as error:
        return error
    raise AssertionError("the disk never filled up")


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    sink = JsonlSink(path)
    sink.publish(result_of(0))
    assert path.read_text() == "old"
    sink.close()
    assert frames_in(path) == [0]
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_is_on_disk_as_soon_as_it_is_published(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "out.jsonl")
    sink.publish(result_of(0))
    assert frames_in(tmp_path / "out.jsonl.partial") == [0]
    sink.abandon()


def test_abandoning_says_what_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = JsonlSink(tmp_path / "out.jsonl")
    sink.publish(result_of(0))
    with caplog.at_level(logging.WARNING):
        sink.abandon()
    [record] = caplog.records
    assert record.message == "output_kept_partial"
    assert record.__dict__["path"] == str(tmp_path / "out.jsonl.partial")


def test_abandoning_before_the_first_result_leaves_nothing(tmp_path: Path) -> None:
    JsonlSink(tmp_path / "out.jsonl").abandon()
    assert list(tmp_path.iterdir()) == []


def test_a_link_keeps_pointing_at_the_file_it_names(tmp_path: Path) -> None:
    target = tmp_path / "results" / "today.jsonl"
    target.parent.mkdir()
    link = tmp_path / "out.jsonl"
    link.symlink_to(target)
    sink = JsonlSink(link)
    sink.publish(result_of(0))
    sink.close()
    assert link.is_symlink()
    assert frames_in(target) == [0]


@pytest.mark.parametrize("open_sink", [JsonlSink, append_jsonl])
def test_a_missing_folder_is_refused_at_once(tmp_path: Path, open_sink: type[JsonlSink]) -> None:
    path = tmp_path / "missing" / "out.jsonl"
    with pytest.raises(SinkError, match=rf"{path}: No such file.*create the folder first"):
        open_sink(path)


@pytest.mark.parametrize("open_sink", [JsonlSink, append_jsonl])
def test_a_read_only_folder_is_refused_at_once(
    read_only_folder: Path, open_sink: type[JsonlSink]
) -> None:
    with pytest.raises(SinkError, match=r"out\.jsonl: (Read-only|Permission).*choose a folder"):
        open_sink(read_only_folder / "out.jsonl")


@pytest.mark.parametrize("open_sink", [JsonlSink, append_jsonl])
def test_a_folder_for_a_file_is_refused_at_once(tmp_path: Path, open_sink: type[JsonlSink]) -> None:
    (tmp_path / "out.jsonl").mkdir()
    with pytest.raises(SinkError, match="choose"):
        open_sink(tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_something_that_is_no_regular_file_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "out.jsonl"
    os.mkfifo(pipe)
    with pytest.raises(SinkError, match="no regular file"):
        JsonlSink(pipe)


def test_a_full_disk_keeps_every_whole_line_and_says_where(tiny_disk: Path) -> None:
    path = tiny_disk / "out.jsonl"
    sink = JsonlSink(path)
    error = publish_until_it_fails(sink)
    sink.abandon()
    partial = tiny_disk / "out.jsonl.partial"
    kept = frames_in(partial)
    assert str(error) == (
        f"cannot write {path}: No space left on device; results so far are kept in {partial}; "
        f"free space on the disk and run again, or choose another folder"
    )
    assert len(kept) > 10
    assert kept == list(range(len(kept)))
    assert not path.exists()


def test_a_live_file_on_a_full_disk_ends_in_a_whole_line_and_can_go_on(tiny_disk: Path) -> None:
    path = tiny_disk / "live.jsonl"
    filler = tiny_disk / "filler"
    filler.write_bytes(b"x" * 32_000)
    sink = append_jsonl(path)
    error = publish_until_it_fails(sink)
    assert "the lines before are kept in it" in str(error)
    before = frames_in(path)
    filler.unlink()
    sink.publish(result_of(len(before)))
    sink.close()
    assert frames_in(path) == list(range(len(before) + 1))


def test_a_live_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    for index in range(2):
        sink = append_jsonl(path)
        sink.publish(result_of(index))
        assert frames_in(path)[-1] == index
        sink.close()
    assert frames_in(path) == [0, 1]


def test_a_line_that_a_crash_had_cut_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    path.write_text(encode(result_of(0)) + "\n" + encode(result_of(1))[:30], "ascii")
    sink = append_jsonl(path)
    sink.publish(result_of(2))
    sink.close()
    whole, cut, new = path.read_text("ascii").splitlines()
    assert [decode_line(whole).frame, decode_line(new).frame] == [0, 2]
    assert cut == encode(result_of(1))[:30]


PRINT_ALL = """
from stream.errors import SinkError
from stream.sinks.jsonl_sink import print_jsonl
from tests.results import result_of
import sys
try:
    sink = print_jsonl()
    for index in range(100_000):
        sink.publish(result_of(index))
except SinkError as error:
    sys.exit(str(error))
"""


def test_a_reader_that_goes_away_ends_in_one_clear_error() -> None:
    command = [sys.executable, "-c", PRINT_ALL]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert decode_line(process.stdout.readline()).frame == 0
        process.stdout.close()
        complaint = process.stderr.read()
    assert complaint == (
        "cannot write standard output: Broken pipe; the lines before were written; "
        "the reader went away; keep it running to the end\n"
    )
    assert process.returncode == 1


def test_a_closed_standard_output_is_refused() -> None:
    command = f"exec {sys.executable} -c '{PRINT_ALL}' >&-"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert "cannot write standard output: Bad file descriptor" in done.stderr
