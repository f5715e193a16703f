import pytest

from stream.jobs.job_progress import JobProgress


def test_nothing_is_known_at_the_start() -> None:
    now = JobProgress(files=3, done=0, failed=0, left_bytes=100, now=5.0).now(5.0)
    assert (now.share, now.eta_seconds, now.frames_per_second) == (0, None, 0)


def test_bytes_tell_how_long_it_takes() -> None:
    progress = JobProgress(files=2, done=0, failed=0, left_bytes=400, now=0.0)
    progress.began("a", 100, 10)
    for _ in range(5):
        progress.frame("a")
    now = progress.now(10.0)
    assert now.share == pytest.approx(50 / 400)
    assert now.eta_seconds == pytest.approx(70)
    assert now.frames_per_second == pytest.approx(0.5)
    assert now.running == ("a",)


def test_an_ended_file_counts_whole_whatever_its_header_said() -> None:
    progress = JobProgress(files=3, done=1, failed=0, left_bytes=200, now=0.0)
    progress.began("a", 100, None)
    progress.frame("a")
    assert progress.now(1.0).share == 0
    progress.ended("a", 100, failed=False)
    progress.ended("b", 100, failed=True)
    now = progress.now(2.0)
    assert (now.done, now.failed, now.share, now.eta_seconds) == (2, 1, 1.0, 0.0)


def test_a_header_that_lies_never_gives_more_than_all() -> None:
    progress = JobProgress(files=1, done=0, failed=0, left_bytes=100, now=0.0)
    progress.began("a", 100, 1)
    for _ in range(50):
        progress.frame("a")
    assert progress.now(1.0).share == 1.0


def test_a_job_with_nothing_left_is_over() -> None:
    now = JobProgress(files=1, done=1, failed=0, left_bytes=0, now=0.0).now(1.0)
    assert (now.share, now.eta_seconds) == (1.0, 0.0)
