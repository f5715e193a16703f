"""The data path as one loop: start reading here.

No threads, no queues: what this runner writes for a file is what the concurrent runner
(`stream/worker.py`) must write too.
"""

from contextlib import closing

from stream.pipeline import (
    EstimateStage,
    Group,
    Grouper,
    PublishStage,
    Run,
    RunEnd,
    read_frames,
)
from stream.sinks.fan_out import sealing


def run_inline(run: Run) -> RunEnd:
    """Reads, infers, tracks and publishes frame after frame until the end or a stop request.

    Raises:
        PoseStreamError: whatever ended the run early; the sink was then abandoned.
    """
    grouper = Grouper(run.estimator.batch_size, run.max_wait_seconds)
    estimate, publish = EstimateStage(run), PublishStage(run)

    def pass_on(group: Group | None) -> None:
        if group is not None:
            publish.publish(estimate.settle(group))

    with sealing(run.sink), closing(run.source):
        for entry in read_frames(run):
            pass_on(grouper.offer(entry, run.clock.monotonic()))
        pass_on(grouper.flush())
    return RunEnd.INTERRUPTED if run.stop.requested else RunEnd.COMPLETED
