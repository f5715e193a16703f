import logging
from collections.abc import Iterator

import pytest

from stream.logs import configure_logs


@pytest.fixture(autouse=True)
def root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_an_event_is_a_line_on_standard_error_with_its_fields(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(logging.WARNING)

    logging.getLogger("stream.test").warning("batch_failed", extra={"first_frame": 7})

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "batch_failed" in captured.err
    assert "first_frame=7" in captured.err
    assert "warning" in captured.err


def test_events_below_the_level_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(logging.ERROR)

    logging.getLogger("stream.test").warning("batch_failed")

    assert capsys.readouterr().err == ""


def test_logins_are_hidden_in_events_fields_and_tracebacks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(logging.WARNING)
    log = logging.getLogger("somebody.elses.library")

    try:
        int("rtsp://joe:pw1@cam/1")
    except ValueError:
        log.exception("cannot open %s", "rtsp://joe:pw2@cam/1", extra={"url": "redis://:pw3@h/0"})

    err = capsys.readouterr().err
    assert err.count("***@") == 4, "event, field, and in the traceback the line and its message"
    assert "pw" not in err
