import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.camera.transport_header import (
    TcpTransport,
    Transport,
    UdpTransport,
    choose_transport,
)


@pytest.mark.parametrize(
    ("header", "transport"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", TcpTransport(0, 1)),
        ("RTP/AVP/TCP;interleaved=4-5;unicast", TcpTransport(4, 5)),
        ("RTP/AVP/TCP", TcpTransport(0, 1)),
        ("RTP/AVP;unicast;client_port=5000-5001", UdpTransport(5000, 5001)),
        ("rtp/avp/udp; unicast; client_port=5000", UdpTransport(5000, 5001)),
        ("RTP/AVP;multicast;client_port=1-2, RTP/AVP/TCP;interleaved=2-3", TcpTransport(2, 3)),
        ("RTP/AVP;multicast", None),
        ("RTP/SAVP;unicast;client_port=5000-5001", None),
        ("RTP/AVP;unicast", None),
        ("RTP/AVP;unicast;client_port=0-1", None),
        ("RTP/AVP;unicast;client_port=65535", None),
        ("RTP/AVP;unicast;client_port=5001-5000", None),
        ("RTP/AVP/TCP;interleaved=255-256", None),
        ("", None),
    ],
)
def test_the_first_offer_that_can_be_met_is_taken(header: str, transport: Transport | None) -> None:
    assert choose_transport(header) == transport


@given(st.text())
def test_any_header_is_read_without_an_error(header: str) -> None:
    choose_transport(header)


@given(st.integers(0, 254))
def test_the_client_finds_its_channels_in_the_answer(channel: int) -> None:
    chosen = TcpTransport(channel, channel + 1)
    assert choose_transport(chosen.header(ssrc=0xABC)) == chosen


def test_the_client_finds_its_ports_and_ours_in_the_answer() -> None:
    header = UdpTransport(5000, 5001).header(0xABC, (6000, 6001))
    assert choose_transport(header) == UdpTransport(5000, 5001)
    assert header.endswith(";server_port=6000-6001;ssrc=00000ABC")
