"""The metrics of a batch job; part of `stream/metrics.py`, whose rules hold here too."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from stream.daemon_metrics import PREFIX
from stream.jobs.job_progress import ProgressNow

JOB = "batch_job"
"""Prometheus itself has a label `job`."""
_ENDS = ("done", "failed")


class JobMetrics:
    """Told the progress of one job again and again, by one thread."""

    def __init__(self, registry: CollectorRegistry, job: str) -> None:
        """Declares them in `registry`; `job` is the name of its folder, without where that is."""
        self._job = job
        self._told = dict.fromkeys((*_ENDS, "frames"), 0)
        self._declare_counts(registry)
        self._declare_state(registry)
        for end in _ENDS:
            self._ended.labels(job, end)
        self._frames.labels(job)

    def progressed(self, now: ProgressNow) -> None:
        """The job is so far."""
        for end in _ENDS:
            self._ended.labels(self._job, end).inc(self._news(end, getattr(now, end)))
        self._frames.labels(self._job).inc(self._news("frames", now.frames))
        self._files.labels(self._job).set(now.files)
        self._running.labels(self._job).set(len(now.running))
        self._share.labels(self._job).set(now.share)
        if now.eta_seconds is not None:
            self._eta.labels(self._job).set(now.eta_seconds)

    def _news(self, name: str, count: int) -> int:
        before, self._told[name] = self._told[name], count
        return count - before

    def _declare_counts(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            f"{PREFIX}_batch_job_files_total",
            "Files of a job that are over, those of earlier processes too.",
            (JOB, "outcome"),
            registry=registry,
        )
        self._frames = Counter(
            f"{PREFIX}_batch_job_frames_total",
            "Frames with a result, of this process.",
            (JOB,),
            registry=registry,
        )

    def _declare_state(self, registry: CollectorRegistry) -> None:
        self._files = Gauge(
            f"{PREFIX}_batch_job_all_files", "All files of a job.", (JOB,), registry=registry
        )
        self._running = Gauge(
            f"{PREFIX}_batch_job_running_files", "Files being read.", (JOB,), registry=registry
        )
        self._share = Gauge(
            f"{PREFIX}_batch_job_progress_ratio",
            "How much of what was left at the start is done, by the size of the files.",
            (JOB,),
            registry=registry,
        )
        self._eta = Gauge(
            f"{PREFIX}_batch_job_eta_seconds",
            "Time until a job is over; missing while there is nothing to tell from.",
            (JOB,),
            registry=registry,
        )
