from pathlib import Path

import pytest

from stream.errors import LossCause
from stream.fleet.tls_check import speaks_tls
from tests.free_ports import free_port
from tests.running_camera import running_camera
from tests.running_fleet import running_fleet


def test_a_host_without_encryption_is_told_from_one_that_is_not_there(
    fleet_videos: dict[str, Path],
) -> None:
    with running_camera([fleet_videos["h264"]]) as [address]:
        assert speaks_tls(address.replace("rtsp:", "rtsps:")) is False
        assert speaks_tls(address) is None
    assert speaks_tls(f"rtsps://127.0.0.1:{free_port()}/cam") is None
    assert speaks_tls("no address") is None


@pytest.mark.slow
def test_a_camera_whose_encryption_fails_is_lost_for_that_cause(
    fleet_videos: dict[str, Path],
) -> None:
    with running_camera([fleet_videos["h264"]]) as [address], running_fleet() as running:
        running.add("cam", address.replace("rtsp:", "rtsps:"))
        running.wait_for_losses("cam", 1)
        assert running.fleet.describe("cam").cause is LossCause.TLS
