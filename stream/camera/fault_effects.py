"""Faults as functions on a sequence of moments; each is a step that others may follow."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from random import Random

from stream.camera.clip import Clip
from stream.camera.faults import Damage, Disconnect, Drop, Fault, Jump, Stall, Switch
from stream.camera.playback import Moment, looped
from stream.camera.rtp_payloads import is_slice_payload

FLIPPED_BYTES = 4
"""Enough that a decoder meets at least one of them."""
SPARED_BYTES = 4
"""Headers of units and fragments: damage there would be a lost packet, and that is `drop`."""

Moments = Iterator[Moment]


def with_fault(moments: Moments, fault: Fault, other: Clip | None, chance: Random) -> Moments:
    """The moments as they are under a fault.

    Args:
        moments: without it.
        fault: one that does not act on moments (`half-open`, say) changes nothing here.
        other: what a switch within the connection goes to; None where there is no such switch.
        chance: decides which packets and bytes are hit.
    """
    match fault:
        case Drop():
            moments = dropped(moments, fault, chance)
        case Damage():
            moments = damaged(moments, fault, chance)
        case Stall():
            moments = stalled(moments, fault)
        case Jump():
            moments = jumped(moments, fault)
        case Disconnect(at=at):
            moments = until(moments, at)
        case Switch(at=float(at)) if other is not None:
            moments = switched(moments, at, other)
    return moments


def dropped(moments: Moments, fault: Drop, chance: Random) -> Moments:
    """A share of the packets is lost."""
    for moment in moments:
        if moment.due_seconds < fault.at:
            yield moment
            continue
        payloads = [None if chance.random() < fault.share else part for part in moment.payloads]
        yield replace(moment, payloads=tuple(payloads))


def damaged(moments: Moments, fault: Damage, chance: Random) -> Moments:
    """A share of the pictures has flipped bytes; parameter sets stay whole."""
    for moment in moments:
        hit = moment.due_seconds >= fault.at and chance.random() < fault.share
        yield _with_flipped_bytes(moment, chance) if hit else moment


def stalled(moments: Moments, fault: Stall) -> Moments:
    """Nothing comes for a while, and then what would have come, on a clock that went on."""
    for moment in moments:
        late = fault.seconds if moment.due_seconds >= fault.at else 0.0
        yield replace(
            moment,
            due_seconds=moment.due_seconds + late,
            media_seconds=moment.media_seconds + late,
        )


def jumped(moments: Moments, fault: Jump) -> Moments:
    """The media clock jumps, and the pictures come as before."""
    for moment in moments:
        by = fault.seconds if moment.due_seconds >= fault.at else 0.0
        yield replace(moment, media_seconds=moment.media_seconds + by)


def until(moments: Moments, at: float) -> Moments:
    """The moments before a time."""
    return takewhile(lambda moment: moment.due_seconds < at, moments)


def switched(moments: Moments, at: float, other: Clip) -> Moments:
    """From a time on another clip, on the same clock."""
    for moment in moments:
        if moment.due_seconds >= at:
            yield from looped(other, moment.due_seconds, moment.media_seconds)
        yield moment


def _with_flipped_bytes(moment: Moment, chance: Random) -> Moment:
    payloads = list(moment.payloads)
    slices = [
        place
        for place, part in enumerate(payloads)
        if part is not None and len(part) > SPARED_BYTES and is_slice_payload(moment.codec, part)
    ]
    for place in chance.choices(slices, k=FLIPPED_BYTES) if slices else ():
        payloads[place] = _with_flipped_byte(payloads[place] or b"", chance)
    return replace(moment, payloads=tuple(payloads))


def _with_flipped_byte(part: bytes, chance: Random) -> bytes:
    at = chance.randrange(SPARED_BYTES, len(part))
    return part[:at] + bytes([part[at] ^ chance.randrange(1, 256)]) + part[at + 1 :]
