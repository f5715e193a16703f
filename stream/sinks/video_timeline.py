"""When a frame is shown in an output video; pure."""

TICKS_PER_SECOND = 90_000
"""The usual clock of video; 1/90000 s."""


class VideoTimeline:
    """Places frames of any number of epochs on one clock that only goes forward.

    Within an epoch the distances of the frames stay as they are (variable frame rate is kept). The
    first frame of a later epoch follows the last one at the distance of the two before.
    """

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._offset = 0
        self._last = -1
        self._step = TICKS_PER_SECOND // 25

    @property
    def step(self) -> int:
        """Ticks between the last two frames; a guess before there are two."""
        return self._step

    def ticks(self, epoch: int, pts_seconds: float) -> int:
        """The time of the next frame, in ticks; always later than that of the one before."""
        own = round(pts_seconds * TICKS_PER_SECOND)
        if self._epoch is not None and epoch != self._epoch:
            self._offset = self._last + self._step - own
        self._epoch = epoch
        ticks = max(own + self._offset, self._last + 1)
        if self._last >= 0:
            self._step = ticks - self._last
        self._last = ticks
        return ticks
