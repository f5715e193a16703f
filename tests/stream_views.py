"""Streams as the fleet tells of them, made up."""

from typing import Any

from stream.fleet.fleet_view import StreamView
from stream.fleet.stream_machine import StreamState
from stream.frame import Outcome
from stream.ledger import FrameLedger


def ledger_of(**counts: int) -> FrameLedger:
    """Counts by outcome; what is not named is 0."""
    ledger = FrameLedger()
    for name, count in counts.items():
        ledger.pass_frames(Outcome(name), count)
    return ledger


def view_of_stream(**fields: Any) -> StreamView:
    """A stream that is well, but for these fields."""
    usual: dict[str, Any] = {
        "name": "cam",
        "state": StreamState.LIVE,
        "state_seconds": 60.0,
        "is_paused": False,
        "cause": None,
        "last_loss": "",
        "reconnects": 0,
        "retry_in_seconds": None,
        "address": "rtsp://cam/1",
        "model": "bottom_up",
        "max_fps": 5.0,
        "codec": "h264",
        "width": 1280,
        "height": 720,
        "fps_from_header": 25.0,
        "epoch": 0,
        "last_frame_age_seconds": 0.1,
        "result_age_seconds": 0.1,
        "people": 1,
        "target_age_seconds": 0.25,
        "is_extra": False,
        "ledger": FrameLedger(),
    }
    return StreamView(**(usual | fields))
