from pathlib import Path

from tests.running_camera import running_camera
from tests.running_fleet import running_fleet


def test_two_cameras_are_read_inferred_and_published(fleet_videos: dict[str, Path]) -> None:
    files = [fleet_videos["h264"], fleet_videos["h265"]]
    with running_camera(files) as addresses, running_fleet(streams_per_worker=2) as running:
        for number, address in enumerate(addresses):
            running.add(f"cam{number}", address, max_fps=10)
        for number in range(2):
            running.wait_for_results(f"cam{number}", 10)
        print(running.fleet.describe_all(), running.fleet.health())
