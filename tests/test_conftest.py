"""The fixtures that guard every other test can themselves fail."""

import pytest

from tests.source_tree import REPOSITORY

pytest_plugins = ["pytester"]

GUARD = """
import subprocess, sys, threading
import tests.conftest
from tests.conftest import _nothing_left_running

tests.conftest.JOIN_SECONDS = 0.0
started = []

def test_it():
"""
LEAVES_A_THREAD = "    threading.Thread(target=threading.Event().wait, daemon=True).start()"
LEAVES_A_PROCESS = """
    command = [sys.executable, "-c", "input()"]
    started.append(subprocess.Popen(command, stdin=subprocess.PIPE))
"""
CLEANS_UP = """
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    subprocess.run([sys.executable, "-c", ""], check=True)
"""


def _outcomes(pytester: pytest.Pytester, body: str) -> dict[str, int]:
    """Runs one generated test in a process of its own, so that what it leaves ends with it."""
    pytester.makepyfile(GUARD + body)
    pytester.makeini(f"[pytest]\npythonpath = {REPOSITORY}")
    return pytester.runpytest_subprocess("-p", "no:cacheprovider").parseoutcomes()


@pytest.mark.parametrize("body", [LEAVES_A_THREAD, LEAVES_A_PROCESS], ids=["thread", "process"])
def test_a_test_that_leaves_something_running_fails(pytester: pytest.Pytester, body: str) -> None:
    assert _outcomes(pytester, body) == {"passed": 1, "errors": 1}


def test_a_test_that_cleans_up_passes(pytester: pytest.Pytester) -> None:
    assert _outcomes(pytester, CLEANS_UP) == {"passed": 1}
