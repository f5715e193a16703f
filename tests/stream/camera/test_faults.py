from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.camera.faults import (
    KINDS,
    Damage,
    Disconnect,
    Drop,
    Fault,
    HalfOpen,
    Jump,
    Stall,
    Switch,
    WrongAuth,
    parse_fault,
)
from stream.errors import ConfigError


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("drop:share=0.05", Drop(share=0.05)),
        ("drop:share=1,at=2.5", Drop(share=1, at=2.5)),
        ("damage:share=0.1,on=cam3", Damage(share=0.1, on="cam3")),
        (" stall:at=5, seconds=3 ", Stall(at=5, seconds=3)),
        ("jump:at=5,seconds=-60", Jump(at=5, seconds=-60)),
        ("disconnect:at=4,first=2", Disconnect(at=4, first=2)),
        ("switch:to=other=1.mp4", Switch(to=Path("other=1.mp4"))),
        ("switch:to=a.mp4,at=3", Switch(to=Path("a.mp4"), at=3)),
        ("half-open", HalfOpen()),
        ("wrong-auth:on=cam0", WrongAuth(on="cam0")),
    ],
)
def test_every_kind_is_read(spec: str, fault: Fault) -> None:
    assert parse_fault(spec) == fault


def test_the_examples_cover_every_kind() -> None:
    [mark] = test_every_kind_is_read.pytestmark  # type: ignore[attr-defined]
    assert {type(fault) for _, fault in mark.args[1]} == set(KINDS.values())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", ["no fault ''", "There are: drop, damage"]),
        ("dorp:share=1", ["no fault 'dorp'", "did you mean 'drop'"]),
        ("drop", ["share: Field required", "keys of drop: at, first, on, share"]),
        ("drop:share=0", ["share: Input should be greater than 0"]),
        ("drop:share=1.01", ["share: Input should be less than or equal to 1"]),
        ("drop:share=nan", ["share: Input should be a finite number"]),
        ("drop:share=some,at=-1", ["share: Input should be a valid number", "at: Input should"]),
        ("drop:share", ["expected KIND:KEY=VALUE,KEY=VALUE", "got 'share'"]),
        ("drop:share=1,share=1", ["every key once", "got 'share'"]),
        ("drop:sahre=1", ["sahre: Extra inputs are not permitted", "share: Field required"]),
        ("stall:at=1,seconds=0", ["seconds: Input should be greater than 0"]),
        ("jump:at=1,seconds=90000", ["seconds: Input should be less than or equal to 23000"]),
        ("half-open:first=0", ["first: Input should be greater than or equal to 1"]),
        ("switch:at=2", ["to: Field required"]),
    ],
)
def test_what_makes_no_sense_is_refused_with_all_that_is_wrong(spec: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_fault(spec)
    assert all(word in str(raised.value) for word in [f"--fault {spec!r}", *words])


@given(st.sampled_from([*KINDS, "x"]), st.text())
def test_any_text_is_a_fault_or_refused(kind: str, rest: str) -> None:
    try:
        fault = parse_fault(f"{kind}:{rest}")
    except ConfigError:
        return
    assert isinstance(fault, KINDS[kind])


@pytest.mark.parametrize(
    ("fault", "hit"),
    [
        (HalfOpen(), [True, True, True, True]),
        (HalfOpen(on="cam1"), [False, False, True, True]),
        (HalfOpen(first=1), [True, False, True, False]),
        (HalfOpen(on="cam1", first=1), [False, False, True, False]),
    ],
)
def test_a_fault_hits_the_mount_and_the_connections_it_is_for(
    fault: Fault, hit: list[bool]
) -> None:
    everything = [("cam0", 0), ("cam0", 1), ("cam1", 0), ("cam1", 1)]
    assert [fault.hits(mount, connection) for mount, connection in everything] == hit
