"""An engine process for tests: finds one made-up person a frame; dies, hangs or fails on demand.

Words: JSON with `seconds` of each batch, and stream names in `kills`, `hangs`, `fails`.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from threading import Event
from typing import Any

from stream.clock import SystemClock
from stream.errors import ArtefactError, EngineError
from stream.fleet.child import OrphanError, begin, end_at_once
from stream.fleet.engine_process import EngineServer, Observe, OpenedModel
from stream.fleet.link import LinkError
from stream.frame import Frame
from stream.pose import FramePoses
from tests.run_parts import MadeUpEstimator


class UnrulyEstimator(MadeUpEstimator):
    def __init__(self, wish: dict[str, Any], observe: Observe) -> None:
        super().__init__(batch_size=4)
        self._wish, self._observe = wish, observe

    def estimate(self, frames: Sequence[Frame]) -> list[FramePoses]:
        streams = {frame.stream for frame in frames}
        if streams & set(self._wish.get("kills", ())):
            os.kill(os.getpid(), signal.SIGKILL)
        if streams & set(self._wish.get("hangs", ())):
            os.kill(os.getpid(), signal.SIGSTOP)
        if streams & set(self._wish.get("fails", ())):
            raise EngineError("made to fail")
        seconds = float(self._wish.get("seconds", 0))
        if seconds:
            Event().wait(seconds)
        self._observe("infer", seconds)
        # Looks at every pixel, as a real one does.
        assert all(int(frame.picture.y.max()) >= 0 for frame in frames)
        self.batches.clear()  # kept for tests within one process, and never looked at here
        return super().estimate(frames)


def main(arguments: list[str]) -> None:
    parent = begin(arguments)
    wish = json.loads(parent.words[0])

    def open_model(name: str, observe: Observe) -> OpenedModel:
        if name == "unknown":
            raise ArtefactError("there is no such model")
        return OpenedModel(UnrulyEstimator(wish, observe), {"engine": "made_up"})

    try:
        EngineServer(parent, open_model, SystemClock()).run()
    except (OrphanError, LinkError):
        end_at_once(1)
    end_at_once(0)


if __name__ == "__main__":
    main(sys.argv[1:])
