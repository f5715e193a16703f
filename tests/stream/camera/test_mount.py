from itertools import islice
from pathlib import Path

import pytest

from stream.camera.clip import Clip
from stream.camera.faults import Disconnect, Drop, Fault, HalfOpen, Stall, WrongAuth, parse_fault
from stream.camera.mount import Feed, Mount, make_mounts
from stream.camera.nal_units import VideoCodec
from stream.errors import ConfigError
from tests.camera_clips import made_up_clip

OWN = made_up_clip(name="own")
SAME_CODEC = made_up_clip(frames=3, name="same codec")
OTHER_CODEC = made_up_clip(VideoCodec.H265, name="other codec")
OTHERS = {Path("same"): SAME_CODEC, Path("other"): OTHER_CODEC}


def feeds(*faults: Fault | str, seed: int = 0) -> list[Feed]:
    """Of four connections, one after the other."""
    parsed = tuple(parse_fault(fault) if isinstance(fault, str) else fault for fault in faults)
    mount = Mount("cam0", OWN, parsed, OTHERS)
    return [mount.feed(connection, seed) for connection in range(4)]


def clips(*faults: Fault | str) -> list[Clip]:
    return [feed.clip for feed in feeds(*faults)]


def test_without_faults_every_connection_gets_the_clip() -> None:
    assert clips() == [OWN] * 4
    assert not any(feed.is_silent or feed.refuses_logins for feed in feeds())


@pytest.mark.parametrize("other", ["same", "other"])
def test_a_switch_gives_every_second_connection_the_other_clip(other: str) -> None:
    assert clips(f"switch:to={other}") == [OWN, OTHERS[Path(other)]] * 2


def test_a_switch_within_the_connection_goes_on_with_the_other_clip() -> None:
    for feed in feeds("switch:to=same,at=0.2"):
        assert feed.clip is OWN
        keys = [moment.is_key for moment in islice(feed.moments(), 11)]
        assert keys == [True, *[False] * 4, *([True, False, False] * 2)]


def test_another_codec_needs_another_connection() -> None:
    faulty = feeds("switch:to=other,at=0.2")
    assert [feed.clip for feed in faulty] == [OWN, OTHER_CODEC] * 2
    assert len(list(faulty[0].moments())) == 5, "the connection ends where the switch is"
    assert not faulty[1].faults


def test_faults_are_for_the_connections_they_hit() -> None:
    faulty = feeds(HalfOpen(first=1), WrongAuth(first=2), Drop(share=1, on="cam1"))
    assert [feed.is_silent for feed in faulty] == [True, False, False, False]
    assert [feed.refuses_logins for feed in faulty] == [True, True, False, False]
    assert faulty[2].faults == ()


def test_faults_act_one_after_the_other() -> None:
    [feed, *_] = feeds(Stall(at=0.1, seconds=1.0), Disconnect(at=1.15))
    assert [round(moment.due_seconds, 2) for moment in feed.moments()] == [0.0, 0.04, 0.08, 1.12]


def test_connections_meet_different_losses_and_the_same_ones_again_with_the_same_seed() -> None:
    def lost(seed: int) -> list[list[bool]]:
        faulty = feeds(Drop(share=0.5), seed=seed)
        return [
            [
                payload is None
                for moment in islice(feed.moments(), 50)
                for payload in moment.payloads
            ]
            for feed in faulty
        ]

    assert lost(1) == lost(1) != lost(2)
    assert lost(1)[0] != lost(1)[1]


def test_mounts_are_named_in_order() -> None:
    mounts = make_mounts([OWN, OTHER_CODEC], [], {})
    assert [(mount.name, mount.clip) for mount in mounts] == [("cam0", OWN), ("cam1", OTHER_CODEC)]


def test_a_fault_for_no_mount_is_refused() -> None:
    with pytest.raises(ConfigError, match="no mount of that name; there are: cam0, cam1"):
        make_mounts([OWN, OWN], [HalfOpen(on="cam2")], {})
