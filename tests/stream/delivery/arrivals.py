"""What a reader of a sink makes of the messages that arrived."""

from collections.abc import Iterable

from stream.wire_gap import GapLine, decode_delivered


def told(lines: Iterable[str]) -> list[int | str]:
    """The frame of every result, and `+N` for a gap of N."""
    decoded = [decode_delivered(line) for line in lines]
    return [f"+{one.gap}" if isinstance(one, GapLine) else one.frame for one in decoded]


def accounted(lines: Iterable[str]) -> int:
    """How many results arrived or are in a gap.

    Fails if any is doubled or out of turn, or a gap names a frame that is not its neighbour.
    """
    expected = 0
    for line in lines:
        one = decode_delivered(line)
        if isinstance(one, GapLine):
            assert one.after is None or one.after.frame == expected - 1
            expected += one.gap
            assert one.before is None or one.before.frame == expected
        else:
            assert one.frame == expected, f"frame {one.frame} where {expected} was due"
            expected += 1
    return expected
