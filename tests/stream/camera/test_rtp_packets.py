import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.camera.rtp_packets import NTP_EPOCH, RtpIdentity, RtpSender
from tests.rtp_receiver import parse_rtp, parse_sender_report

IDENTITIES = st.builds(
    RtpIdentity,
    ssrc=st.integers(0, 2**32 - 1),
    first_sequence=st.integers(0, 2**16 - 1),
    first_timestamp=st.integers(0, 2**32 - 1),
)
PAYLOADS = st.lists(st.binary(min_size=1, max_size=20) | st.none(), min_size=1, max_size=6)


@given(IDENTITIES, st.lists(PAYLOADS, max_size=20))
def test_packets_carry_their_payload_and_are_numbered_without_a_gap_but_the_lost_ones(
    identity: RtpIdentity, pictures: list[list[bytes | None]]
) -> None:
    sender = RtpSender(identity)
    sequence = identity.first_sequence
    for index, payloads in enumerate(pictures):
        packets = iter([parse_rtp(packet) for packet in sender.packets(payloads, index / 25)])
        for place, payload in enumerate(payloads):
            if payload is not None:
                packet = next(packets)
                assert packet.payload == payload
                assert packet.sequence == sequence
                assert packet.marker is (place == len(payloads) - 1)
                assert packet.timestamp == (identity.first_timestamp + 3600 * index) % 2**32
                assert (packet.ssrc, packet.payload_type) == (identity.ssrc, 96)
            sequence = (sequence + 1) % 2**16
        assert next(packets, None) is None


@given(IDENTITIES, PAYLOADS, st.floats(0, 2e9), st.floats(-1e4, 1e5))
def test_a_report_ties_the_media_clock_to_the_wall_clock_and_counts_what_was_sent(
    identity: RtpIdentity, payloads: list[bytes | None], wall: float, media: float
) -> None:
    sender = RtpSender(identity)
    sender.packets(payloads, media)
    ssrc, ntp, timestamp, packets, octets = parse_sender_report(sender.report(media, wall))
    sent = [payload for payload in payloads if payload is not None]
    assert ssrc == identity.ssrc
    assert ntp == pytest.approx(wall + NTP_EPOCH, abs=1e-4)
    assert timestamp == (identity.first_timestamp + round(media * 90_000)) % 2**32
    assert (packets, octets) == (len(sent), sum(map(len, sent)))


@given(IDENTITIES)
def test_a_report_ends_with_a_name_and_is_whole_words_long(identity: RtpIdentity) -> None:
    packet = RtpSender(identity).report(0.0, 1.7e9)
    first, kind, words, ssrc = struct.unpack_from("!BBHI", packet, 28)
    item, length = packet[36:38]
    assert (first, kind, ssrc, item) == (0x81, 202, identity.ssrc, 1)
    assert packet[38 : 38 + length].decode() == f"{identity.ssrc:08x}@posestream"
    assert 28 + 4 * (words + 1) == len(packet)
    assert set(packet[38 + length :]) == {0}
