import builtins
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from stream.errors import SinkError
from stream.sinks import parquet_sink
from stream.sinks.parquet_sink import ParquetSink
from tests.results import result_of, standing_person


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        sink = ParquetSink(tmp_path / name)
        for index in range(20):
            sink.publish(result_of(index, standing_person(), standing_person(2)))
        sink.close()
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_many_frames_are_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_sink, "ROWS_IN_GROUP", 8)
    sink = ParquetSink(tmp_path / "a.parquet")
    for index in range(20):
        sink.publish(result_of(index))
    sink.close()
    file = parquet.ParquetFile(tmp_path / "a.parquet")
    assert file.num_row_groups == 3
    assert file.read()["frame"].to_pylist() == list(range(20))


def test_until_it_is_whole_it_is_partial(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path / "a.parquet")
    sink.publish(result_of(0))
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet.partial"]
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_a_full_disk_is_named_and_the_rest_still_ends(tiny_disk: Path) -> None:
    sink = ParquetSink(tiny_disk / "a.parquet")
    (tiny_disk / "ballast").write_bytes(b"x" * 60_000)
    for index in range(300):
        sink.publish(result_of(index, *[standing_person(n, (n, index)) for n in range(1, 9)]))
    with pytest.raises(SinkError, match=r"cannot write .*a\.parquet: .*No space left"):
        sink.close()
    sink.abandon()


def test_a_folder_that_cannot_be_written_is_named(read_only_folder: Path) -> None:
    with pytest.raises(SinkError, match="read_only"):
        ParquetSink(read_only_folder / "a.parquet")


def test_without_pyarrow_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Any = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SinkError, match=r"pip install 'posestream\[parquet\]'"):
        ParquetSink(tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []
