"""Fetching published files from a server that can be as bad as real ones."""

import hashlib
import socket
from pathlib import Path

import pytest

from builders.importing.download import FetchSettings, fetch
from stream.errors import ArtefactError
from tests.builders.importing.file_server import FileServer, serving

CONTENTS = bytes(range(256)) * 3000
DIGEST = hashlib.sha256(CONTENTS).hexdigest()
QUICK = FetchSettings(timeout_seconds=2.0, attempts=3)


def nothing(_: int, __: int | None) -> None:
    pass


def fetch_all(server: FileServer, path: Path, prefix: str = DIGEST[:8]) -> str:
    return fetch(server.url, prefix, path, nothing, QUICK)


def test_a_file_arrives_whole_with_progress_and_no_part_left(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = tmp_path / "new folder" / "weights.pth"
    with serving(FileServer(CONTENTS)) as server:
        digest = fetch(server.url, DIGEST[:8], path, lambda *at: seen.append(at), QUICK)
    assert digest == DIGEST
    assert path.read_bytes() == CONTENTS
    assert [each.name for each in path.parent.iterdir()] == ["weights.pth"]
    assert seen[0] == (0, len(CONTENTS))
    assert seen[-1] == (len(CONTENTS), len(CONTENTS))
    assert seen == sorted(seen)


def test_a_cut_connection_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    with serving(FileServer(CONTENTS, cut_after=[1000, 70_000])) as server:
        assert fetch_all(server, tmp_path / "w.pth") == DIGEST
    assert server.asked == ["", "bytes=1000-", "bytes=71000-"]


def test_a_later_call_goes_on_where_an_earlier_one_was_ended(tmp_path: Path) -> None:
    (tmp_path / "w.pth.partial").write_bytes(CONTENTS[:5000])
    with serving(FileServer(CONTENTS)) as server:
        assert fetch_all(server, tmp_path / "w.pth") == DIGEST
    assert server.asked == ["bytes=5000-"]
    assert (tmp_path / "w.pth").read_bytes() == CONTENTS


def test_a_part_that_is_whole_already_is_only_verified_and_named(tmp_path: Path) -> None:
    (tmp_path / "w.pth.partial").write_bytes(CONTENTS)
    with serving(FileServer(CONTENTS)) as server:
        assert fetch_all(server, tmp_path / "w.pth") == DIGEST
    assert server.asked == [f"bytes={len(CONTENTS)}-"]


def test_a_part_of_another_file_is_thrown_away_and_all_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "w.pth.partial").write_bytes(b"something else")
    with serving(FileServer(CONTENTS)) as server:
        assert fetch_all(server, tmp_path / "w.pth") == DIGEST
    assert server.asked == ["bytes=14-", ""]


def test_a_server_without_ranges_sends_all_again(tmp_path: Path) -> None:
    with serving(FileServer(CONTENTS, cut_after=[1000], knows_ranges=False)) as server:
        assert fetch_all(server, tmp_path / "w.pth") == DIGEST
    assert (tmp_path / "w.pth").read_bytes() == CONTENTS


def test_a_server_that_tells_no_length_is_believed_if_the_hash_is_right(tmp_path: Path) -> None:
    with serving(FileServer(CONTENTS, says_length=False)) as server:
        assert fetch_all(server, tmp_path / "w.pth") == DIGEST


def test_a_connection_that_is_cut_for_ever_keeps_its_part_and_says_so(tmp_path: Path) -> None:
    with (
        serving(FileServer(CONTENTS, cut_after=[1000, 0, 0, 0, 0])) as server,
        pytest.raises(ArtefactError, match=r"cut 3 times in a row .* 1000 bytes are kept"),
    ):
        fetch_all(server, tmp_path / "w.pth")
    assert (tmp_path / "w.pth.partial").stat().st_size == 1000
    assert not (tmp_path / "w.pth").exists()


def test_a_silent_server_is_given_up_after_the_time_limit(tmp_path: Path) -> None:
    settings = FetchSettings(timeout_seconds=0.05, attempts=2)
    with (
        serving(FileServer(CONTENTS, silent=True)) as server,
        pytest.raises(ArtefactError, match="timed out"),
    ):
        fetch(server.url, DIGEST[:8], tmp_path / "w.pth", nothing, settings)


def test_another_hash_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with (
        serving(FileServer(CONTENTS)) as server,
        pytest.raises(ArtefactError, match=rf"begins with {DIGEST[:8]}, expected 0123abcd"),
    ):
        fetch_all(server, tmp_path / "w.pth", "0123abcd")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(CONTENTS)
    with serving(FileServer(b"")) as server:
        assert fetch_all(server, tmp_path / "w.pth") == DIGEST
        assert server.asked == []


def test_another_file_of_the_name_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"mine")
    with (
        serving(FileServer(CONTENTS)) as server,
        pytest.raises(ArtefactError, match="move it away to fetch it again"),
    ):
        fetch_all(server, tmp_path / "w.pth")
    assert (tmp_path / "w.pth").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("status", "words"), [(404, "404 Not Found: the file has moved"), (503, "503 .* try again")]
)
def test_a_refusing_server_is_quoted(status: int, words: str, tmp_path: Path) -> None:
    with (
        serving(FileServer(CONTENTS, status=status)) as server,
        pytest.raises(ArtefactError, match=words),
    ):
        fetch_all(server, tmp_path / "w.pth")


def test_without_a_network_the_words_are_clear(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    address = f"http://127.0.0.1:{port}/w.pth"
    with pytest.raises(ArtefactError, match=r"cannot reach http.*refused.*models import"):
        fetch(address, "00", tmp_path / "w.pth", nothing, QUICK)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ArtefactError, match=r"cannot write .*file/w\.pth"):
        fetch("http://127.0.0.1:9/w.pth", "00", tmp_path / "file" / "w.pth", nothing, QUICK)
