"""The camera over real sockets: what every client sees, byte by byte."""

import socket
from itertools import pairwise
from pathlib import Path

import pytest

from stream.camera.rtp_packets import NTP_EPOCH
from stream.camera.server import Camera, run_camera
from stream.camera.settings import CameraSettings
from stream.clock import SystemClock
from stream.errors import ConfigError
from stream.pipeline import StopRequest
from tests.rtp_receiver import RtpPacket, access_units, parse_rtp, parse_sender_report
from tests.running_camera import WAIT_SECONDS, RtspClient, running_camera

TICKS = 3600
"""Of the RTP clock, from frame to frame."""
RTP, RTCP = 0, 1


def received(client: RtspClient, pictures: int) -> list[list[RtpPacket]]:
    """So many whole access units; reports are left out."""
    packets: list[RtpPacket] = []
    while sum(packet.marker for packet in packets) < pictures:
        found = client.packet()
        assert found is not None
        if found[0] == RTP:
            packets.append(parse_rtp(found[1]))
    return list(access_units(packets))


@pytest.mark.parametrize("name", ["h264", "h265"])
def test_two_rounds_are_one_stream(videos: dict[str, Path], name: str) -> None:
    with running_camera([videos[name]]) as [address], RtspClient(address) as client:
        client.play()
        pictures = received(client, 45)

    packets = [packet for picture in pictures for packet in picture]
    for earlier, later in pairwise(packets):
        assert later.sequence == (earlier.sequence + 1) % 2**16
    # Within a round the order of times is that of the encoder; each round has the same one.
    times = [(picture[0].timestamp - packets[0].timestamp) % 2**32 for picture in pictures]
    assert [later - earlier for earlier, later in zip(times, times[20:], strict=False)] == [
        20 * TICKS
    ] * 25
    assert [packet.marker for packet in packets] == [
        packet is picture[-1] for picture in pictures for packet in picture
    ]


def test_a_report_comes_first_and_tells_the_time(videos: dict[str, Path]) -> None:
    with running_camera([videos["h264"]]) as [address], RtspClient(address) as client:
        client.play()
        first, second = client.packet(), client.packet()

    assert first is not None
    assert second is not None
    assert (first[0], second[0]) == (RTCP, RTP)
    ssrc, ntp, timestamp, packets, octets = parse_sender_report(first[1])
    picture = parse_rtp(second[1])
    assert (ssrc, packets, octets) == (picture.ssrc, 0, 0)
    # The first picture is shown when its decoder has seen those before it: some frames later.
    assert 0 <= picture.timestamp - timestamp <= 5 * TICKS
    assert ntp - NTP_EPOCH == pytest.approx(SystemClock().wall(), abs=WAIT_SECONDS)


def test_many_clients_watch_many_mounts_at_once(videos: dict[str, Path]) -> None:
    with running_camera([videos["h264"], videos["h265"]] * 4) as addresses:
        clients = [RtspClient(address) for address in addresses for _ in range(2)]
        for client in clients:
            client.play()
        for client in clients:
            with client:
                assert len(received(client, 10)) == 10


def test_udp_sends_from_the_ports_that_were_told(videos: dict[str, Path]) -> None:
    with (
        running_camera([videos["h264"]]) as [address],
        RtspClient(address) as client,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(WAIT_SECONDS)
        port = receiver.getsockname()[1]
        offer = f"RTP/AVP;unicast;client_port={port}-{port + 1}"
        status, headers = client.ask("SETUP", Transport=offer)
        assert status == 200
        ports = headers["Transport"].partition("server_port=")[2].partition(";")[0].split("-")
        client.ask("PLAY", Session=headers["Session"].partition(";")[0])
        packet, (host, sender) = receiver.recvfrom(65536)

    assert parse_rtp(packet).payload_type == 96
    assert (host, sender) == ("127.0.0.1", int(ports[0]))
    assert int(ports[0]) % 2 == 0
    assert int(ports[1]) == sender + 1


def test_after_a_teardown_the_same_client_may_play_again(videos: dict[str, Path]) -> None:
    with running_camera([videos["h264"]]) as [address], RtspClient(address) as client:
        _, headers = client.ask("SETUP", Transport="RTP/AVP;client_port=5000-5001")
        session = headers["Session"].partition(";")[0]
        assert client.ask("PLAY", Session=session)[0] == 200
        assert client.ask("TEARDOWN", Session=session)[0] == 200
        client.play()
        assert len(received(client, 3)) == 3


def test_a_client_that_is_never_heard_of_is_left(videos: dict[str, Path]) -> None:
    with (
        running_camera([videos["h264"]], session_timeout_seconds=0.3) as [address],
        RtspClient(address) as client,
    ):
        client.play()
        while client.packet() is not None:
            pass


def test_what_is_no_rtsp_ends_its_own_connection_only(videos: dict[str, Path]) -> None:
    with running_camera([videos["h264"]]) as [address], RtspClient(address) as good:
        good.play()
        with RtspClient(address) as bad:
            bad.send(b"GET / HTTP/1.1\r\n\r\n")
            assert bad.answer()[0] == 400
            assert bad.packet() is None
        assert len(received(good, 10)) == 10


def test_clients_that_vanish_do_no_harm(videos: dict[str, Path]) -> None:
    with running_camera([videos["h264"]]) as [address]:
        for _ in range(20):
            with RtspClient(address) as client:
                client.play()
        with RtspClient(address) as client:
            client.play()
            assert len(received(client, 3)) == 3


def test_the_end_of_the_camera_closes_every_connection(videos: dict[str, Path]) -> None:
    with running_camera([videos["h264"]]) as [address]:
        playing, idle = RtspClient(address), RtspClient(address)
        playing.play()
        idle.ask("OPTIONS")
    with playing, idle:
        while playing.packet() is not None:
            pass
        assert idle.packet() is None


def test_a_port_that_is_taken_is_refused_with_the_remedy(videos: dict[str, Path]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        camera = Camera((), CameraSettings(port=port), SystemClock())
        with pytest.raises(ConfigError, match=rf"port {port}: .*; choose another --port, or 0"):
            run_camera(camera, StopRequest(), lambda _: None)
