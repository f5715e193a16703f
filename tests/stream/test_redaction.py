import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.redaction import redacted


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("rtsp://joe:s3cret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://joe:a/b?c#d@e@cam/1 is gone", "rtsp://***@cam/1 is gone"),
        ("RTSP://joe@cam", "RTSP://***@cam"),
        ("'redis://:pw@host/0' refused", "'redis://***@host/0' refused"),
        ("http://cam/live?user=joe&password=pw&x=1", "http://cam/live?user=joe&password=***&x=1"),
        ("https://cam/?token=abc", "https://cam/?token=***"),
        ("rtsp://cam:554/stream1", "rtsp://cam:554/stream1"),
        ("mail joe@example.org", "mail joe@example.org"),
        ("clip.mp4: 3 frames", "clip.mp4: 3 frames"),
    ],
)
def test_logins_go_and_the_rest_stays(text: str, clean: str) -> None:
    assert redacted(text) == clean


@given(
    st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="'\""), min_size=4)
)
def test_no_password_without_blanks_or_quotes_survives(password: str) -> None:
    clean = redacted(f"cannot open rtsp://admin:{password}@camera.local/stream: timeout")

    assert f":{password}@" not in clean
    assert clean.endswith("@camera.local/stream: timeout")
    assert clean.startswith("cannot open rtsp://***@")
