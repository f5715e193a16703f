"""How patient a daemon is with a stream, by the way it is connected."""

from dataclasses import dataclass
from enum import StrEnum


class Profile(StrEnum):
    """How a stream is connected; decides all its limits of time."""

    WIRED = "wired"
    WIFI = "wifi"
    BATTERY = "battery"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits of time of one stream, all in seconds."""

    open_seconds: float
    """From the attempt to connect to the first frame, per step."""
    stall_seconds: float
    """Without a frame for so long a stream counts as stalled. Less than half of the silence: FFmpeg
    gives out a frame that it held back when half of that is over."""
    silence_seconds: float
    """Without a packet for so long the connection counts as lost."""
    first_delay_seconds: float
    """From the begin of the first failed attempt to that of the next."""
    max_delay_seconds: float
    """What that grows to."""
    quarantine_seconds: float
    """Between attempts that only a person can make succeed: wrong login, path or codec."""
    stable_seconds: float
    """A connection that held so long was good: the delay starts small again."""


# Wired cameras are to be live 2 seconds after they are back: one failing attempt and the next must
# fit into that, whenever the first one began.
PATIENCE = {
    Profile.WIRED: Patience(1.5, 1.0, 2.6, 0.25, 1.5, 30.0, 10.0),
    Profile.WIFI: Patience(6.0, 2.0, 6.0, 0.5, 5.0, 60.0, 30.0),
    Profile.BATTERY: Patience(40.0, 9.0, 20.0, 2.0, 60.0, 300.0, 60.0),
    Profile.FILE: Patience(10.0, 4.0, 10.0, 0.5, 10.0, 60.0, 10.0),
}
