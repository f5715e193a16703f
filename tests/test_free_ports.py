"""Tests side by side never get one another's port."""

import subprocess
import sys

from tests.free_ports import FIRST, LAST, _claimed, _unused, free_port
from tests.source_tree import REPOSITORY

ASK = "from tests.free_ports import _claimed; print(_claimed(int(input())))"


def test_no_port_is_given_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(FIRST <= port < LAST and _unused(port) for port in ports)


def test_a_port_is_given_to_no_other_process() -> None:
    port = free_port()
    assert not _claimed(port)
    asked = [sys.executable, "-c", ASK]
    other = subprocess.run(
        asked, input=str(port), cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert other.stdout == "False\n"


def test_ports_lie_below_those_that_the_system_hands_out() -> None:
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:  # noqa: PTH123
        assert int(file.read().split()[0]) >= LAST
