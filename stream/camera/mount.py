"""A clip under a name, with its faults, and what one connection gets of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from stream.camera.clip import Clip
from stream.camera.fault_effects import Moments, with_fault
from stream.camera.faults import Disconnect, Fault, HalfOpen, Switch, WrongAuth
from stream.camera.playback import looped
from stream.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """What one connection gets of one mount."""

    mount: str
    clip: Clip
    """What the session description tells of, and what playing begins with."""
    faults: tuple[Fault, ...]
    others: Mapping[Path, Clip]
    """Clips that a switch within the connection goes to."""
    seed: str
    """The same seed gives the same faults."""

    @property
    def is_silent(self) -> bool:
        """No request is to be answered."""
        return any(isinstance(fault, HalfOpen) for fault in self.faults)

    @property
    def refuses_logins(self) -> bool:
        """Whoever comes is sent away."""
        return any(isinstance(fault, WrongAuth) for fault in self.faults)

    def moments(self) -> Moments:
        """From the start; when they end, the connection is to be closed."""
        chance = Random(self.seed)  # noqa: S311 - faults, not secrets
        moments = looped(self.clip)
        for fault in self.faults:
            other = self.others.get(fault.to) if isinstance(fault, Switch) else None
            moments = with_fault(moments, fault, other, chance)
        return moments


@dataclass(frozen=True, slots=True, eq=False)
class Mount:
    """One camera: a clip and everything that is wrong with it."""

    name: str
    clip: Clip
    faults: tuple[Fault, ...]
    """Those of other mounts do no harm here."""
    others: Mapping[Path, Clip]
    """The clips that switches name."""

    def feed(self, connection: int, seed: int) -> Feed:
        """What the connection of this number, from 0, gets."""
        hits = [fault for fault in self.faults if fault.hits(self.name, connection)]
        clip = self.clip
        faults: list[Fault] = []
        for fault in hits:
            if isinstance(fault, Switch) and not self._can_go_on_in(fault):
                # Nobody changes the codec of a session, so the reader has to come back for it.
                clip = self.others[fault.to] if connection % 2 else clip
                if fault.at is not None and connection % 2 == 0:
                    faults.append(Disconnect(at=fault.at))
            else:
                faults.append(fault)
        seed_text = f"{seed}/{self.name}/{connection}"
        return Feed(self.name, clip, tuple(faults), self.others, seed_text)

    def _can_go_on_in(self, switch: Switch) -> bool:
        return switch.at is not None and self.others[switch.to].codec is self.clip.codec


def make_mounts(
    clips: Sequence[Clip], faults: Sequence[Fault], others: Mapping[Path, Clip]
) -> tuple[Mount, ...]:
    """Mounts cam0, cam1 and so on, one for each clip.

    Raises:
        ConfigError: if a fault is for a mount that is not there.
    """
    mounts = tuple(
        Mount(f"cam{number}", clip, tuple(faults), others) for number, clip in enumerate(clips)
    )
    names = [mount.name for mount in mounts]
    strays = [fault for fault in faults if fault.on is not None and fault.on not in names]
    if strays:
        raise ConfigError(
            f"--fault on={strays[0].on}: no mount of that name; there are: {', '.join(names)}"
        )
    return mounts
