import logging
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engines.engine_store import ENTRY_NAME, BuildKey, EngineStore, default_store_root
from stream.errors import EngineError

KEY = BuildKey("0" * 64, "openvino", "2026.4", "fp32", "this machine", "512x288 batch 1")


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "store")


def write_plan(folder: Path) -> dict[str, str]:
    (folder / "plan").write_bytes(b"an engine")
    return {"seconds": "1.5"}


def refuse_to_write(_folder: Path) -> dict[str, str]:
    raise AssertionError("built again")


def test_what_was_built_is_found_whole(store: EngineStore) -> None:
    assert store.find(KEY) is None
    built = store.build(KEY, write_plan)
    found = store.find(KEY)
    assert found
    assert found.folder == built.folder
    assert found.file("plan").read_bytes() == b"an engine"
    assert found.notes == {"seconds": "1.5"}


def test_what_is_there_is_not_built_again(store: EngineStore) -> None:
    store.build(KEY, write_plan)
    assert store.build(KEY, refuse_to_write).notes == {"seconds": "1.5"}


@pytest.mark.parametrize(
    "changes",
    [
        {"onnx_sha256": "1" * 64},
        {"backend": "tensorrt"},
        {"version": "2026.5"},
        {"precision": "bf16"},
        {"target": "8.6"},
        {"profile": "512x288 batch 8"},
        {"flags": {"tf32": "off"}},
    ],
)
def test_another_origin_is_another_entry(store: EngineStore, changes: dict[str, str]) -> None:
    store.build(KEY, write_plan)
    assert store.find(replace(KEY, **changes)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["cut", "altered", "gone", "half an entry", "no entry"])
def test_a_damaged_entry_is_told_and_built_again(
    store: EngineStore, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    entry = store.build(KEY, write_plan)
    harm: dict[str, Callable[[], object]] = {
        "cut": lambda: entry.file("plan").write_bytes(b"an eng"),
        "altered": lambda: entry.file("plan").write_bytes(b"an Engine"),
        "gone": entry.file("plan").unlink,
        "half an entry": lambda: entry.file(ENTRY_NAME).write_text('{"key": '),
        "no entry": entry.file(ENTRY_NAME).unlink,
    }
    harm[damage]()
    with caplog.at_level(logging.WARNING):
        assert store.find(KEY) is None
    assert [record.getMessage() for record in caplog.records] == ["engine_store_damaged"]
    store.build(KEY, write_plan)
    found = store.find(KEY)
    assert found
    assert found.file("plan").read_bytes() == b"an engine"


def test_entries_that_differ_in_their_profile_only_are_found_together(store: EngineStore) -> None:
    other = replace(KEY, profile="512x288 batch 1,8")
    for key in (other, KEY, replace(KEY, precision="bf16")):
        store.build(key, write_plan)
    assert [key for key, _ in store.profiles(replace(KEY, profile="any"))] == [KEY, other]


def test_a_builder_that_fails_leaves_nothing(store: EngineStore) -> None:
    def fail(folder: Path) -> dict[str, str]:
        write_plan(folder)
        raise EngineError("out of memory")

    with pytest.raises(EngineError, match="out of memory"):
        store.build(KEY, fail)
    assert list((store.root / "engines").iterdir()) == []
    assert store.find(KEY) is None


def test_a_removed_entry_is_gone(store: EngineStore) -> None:
    store.build(KEY, write_plan)
    store.remove(KEY)
    store.remove(KEY)
    assert store.find(KEY) is None


def test_a_store_that_cannot_be_written_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EngineError, match=r"cannot write .*choose another folder with --cache"):
        EngineStore(tmp_path / "file").build(KEY, write_plan)


def _build_slowly(root: Path, log_file: Path, turn: object) -> None:
    def write(folder: Path) -> dict[str, str]:
        turn.wait()  # type: ignore[attr-defined]  # until the other one stands at the lock
        with log_file.open("a") as file:
            file.write("built\n")
        return write_plan(folder)

    EngineStore(root).build(KEY, write)


def test_of_two_builders_one_builds_and_both_have_it(store: EngineStore, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    turn, log_file = spawn.Event(), tmp_path / "log"
    builders = [
        spawn.Process(target=_build_slowly, args=(store.root, log_file, turn)) for _ in range(2)
    ]
    for builder in builders:
        builder.start()
    turn.set()
    for builder in builders:
        builder.join(60)
    assert [builder.exitcode for builder in builders] == [0, 0]
    assert log_file.read_text() == "built\n"
    assert store.find(KEY)


def test_the_root_follows_the_users_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_store_root() == tmp_path / "posestream"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_store_root() == Path.home() / ".cache" / "posestream"
