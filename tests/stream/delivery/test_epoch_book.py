from pathlib import Path

import pytest

from stream.delivery.epoch_book import EpochBook
from stream.errors import SinkError


def test_epochs_go_on_over_a_restart(tmp_path: Path) -> None:
    book = EpochBook(tmp_path / "epochs.json")
    assert book.last("door") == -1
    for epoch in (0, 1, 2):
        book.reached("door", epoch)
    book.reached("yard", 0)
    again = EpochBook(tmp_path / "epochs.json")
    assert (again.last("door"), again.last("yard")) == (2, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["epochs.json"]


def test_an_epoch_never_goes_back(tmp_path: Path) -> None:
    book = EpochBook(tmp_path / "epochs.json")
    book.reached("door", 5)
    book.reached("door", 3)
    assert EpochBook(tmp_path / "epochs.json").last("door") == 5


@pytest.mark.parametrize("content", ["", "[1]", '{"a": "x"}', "\x00", '{"a": null}'])
def test_a_damaged_book_is_begun_anew_out_loud(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "epochs.json"
    path.write_text(content)
    book = EpochBook(path)
    assert book.last("a") == -1
    assert "epochs_unreadable" in caplog.messages
    book.reached("a", 0)
    assert EpochBook(path).last("a") == 0


def test_a_disk_that_refuses_is_named(read_only_folder: Path) -> None:
    with pytest.raises(SinkError, match=r"epochs\.json.*epochs may repeat"):
        EpochBook(read_only_folder / "epochs.json").reached("a", 0)
