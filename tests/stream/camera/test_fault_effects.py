from itertools import islice, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.camera.fault_effects import SPARED_BYTES, with_fault
from stream.camera.faults import (
    Damage,
    Disconnect,
    Drop,
    Fault,
    HalfOpen,
    Jump,
    Stall,
    Switch,
    WrongAuth,
)
from stream.camera.nal_units import VideoCodec
from stream.camera.playback import Moment, looped
from tests.camera_clips import FRAME_SECONDS, made_up_clip

CLIP = made_up_clip()
TAKEN = 200


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - faults, not secrets


def played(
    fault: Fault | None = None, seed: int = 0, codec: VideoCodec = CLIP.codec
) -> list[Moment]:
    """8 seconds of a clip under a fault."""
    moments = looped(made_up_clip(codec))
    if fault is not None:
        moments = with_fault(moments, fault, None, chance(seed))
    return list(islice(moments, TAKEN))


def payloads(moments: list[Moment]) -> list[bytes | None]:
    return [payload for moment in moments for payload in moment.payloads]


def due(moments: list[Moment]) -> list[float]:
    return [moment.due_seconds for moment in moments]


def media(moments: list[Moment]) -> list[float]:
    return [moment.media_seconds for moment in moments]


@given(share=st.floats(0.1, 0.9), seed=st.integers(0, 5))
def test_a_share_of_the_packets_is_dropped_from_the_time_given(share: float, seed: int) -> None:
    moments = played(Drop(share=share, at=1.0), seed)
    lost = [
        payload is None
        for moment in moments
        if moment.due_seconds >= 1.0
        for payload in moment.payloads
    ]
    assert None not in payloads([moment for moment in moments if moment.due_seconds < 1.0])
    assert sum(lost) / len(lost) == pytest.approx(share, abs=0.15)
    assert due(moments) == due(played())


@pytest.mark.parametrize("codec", VideoCodec)
def test_damage_flips_bytes_of_pictures_only_and_changes_no_length(codec: VideoCodec) -> None:
    whole, moments = played(codec=codec), played(Damage(share=1), codec=codec)
    parameter_sets = (
        CLIP.parameter_sets if codec is CLIP.codec else made_up_clip(codec).parameter_sets
    )
    for before, after in zip(whole, moments, strict=True):
        assert before.payloads != after.payloads
        for good, bad in zip(before.payloads, after.payloads, strict=True):
            assert good is not None
            assert bad is not None
            assert len(good) == len(bad)
            assert good[:SPARED_BYTES] == bad[:SPARED_BYTES]
            assert good == bad or good not in parameter_sets


@given(share=st.floats(0.1, 0.9), seed=st.integers(0, 5))
def test_a_share_of_the_pictures_is_damaged(share: float, seed: int) -> None:
    pairs = zip(played(), played(Damage(share=share), seed), strict=True)
    hit = [before.payloads != after.payloads for before, after in pairs]
    assert sum(hit) / len(hit) == pytest.approx(share, abs=0.15)


@pytest.mark.parametrize("fault", [Drop(share=0.5), Damage(share=0.5)])
def test_the_same_seed_hits_the_same_packets(fault: Fault) -> None:
    assert payloads(played(fault, seed=1)) == payloads(played(fault, seed=1))
    assert payloads(played(fault, seed=1)) != payloads(played(fault, seed=2))


def test_a_stall_leaves_a_gap_on_both_clocks_and_loses_nothing() -> None:
    moments = played(Stall(at=1.0, seconds=3.0))
    gaps = [later - earlier for earlier, later in pairwise(due(moments))]
    assert max(gaps) == pytest.approx(3.0 + FRAME_SECONDS)
    assert sorted(gaps)[-2] == pytest.approx(FRAME_SECONDS)
    assert media(moments) == due(moments)
    assert payloads(moments) == payloads(played())


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_jump_changes_the_media_clock_only(seconds: float) -> None:
    moments = played(Jump(at=1.0, seconds=seconds))
    for moment in moments:
        ahead = seconds if moment.due_seconds >= 1.0 else 0.0
        assert moment.media_seconds == pytest.approx(moment.due_seconds + ahead)
    assert due(moments) == due(played())


def test_a_disconnect_ends_the_moments() -> None:
    moments = played(Disconnect(at=1.0))
    assert max(due(moments)) == pytest.approx(1.0, abs=2 * FRAME_SECONDS)
    assert len(moments) == sum(moment.due_seconds < 1.0 for moment in played())


def test_a_switch_goes_on_with_the_other_clip_on_the_same_clock() -> None:
    other = made_up_clip(frames=3)
    switch = Switch.model_validate({"to": "other.mp4", "at": 1.01})
    moments = list(islice(with_fault(looped(CLIP), switch, other, chance(0)), TAKEN))
    after = [moment for moment in moments if moment.due_seconds >= 1.01]
    assert due(moments) == pytest.approx(due(played()))
    assert after[0].is_key
    assert [moment.is_key for moment in after[:6]] == [True, False, False] * 2


@pytest.mark.parametrize("fault", [HalfOpen(), WrongAuth()])
def test_faults_of_the_connection_leave_the_moments_alone(fault: Fault) -> None:
    assert payloads(played(fault)) == payloads(played())
