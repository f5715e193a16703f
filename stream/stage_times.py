"""Durations of one stage, kept so that an hour takes no more memory than a second."""

import math
from bisect import bisect_left
from itertools import accumulate

SMALLEST_SECONDS = 1e-6
STEPS_PER_OCTAVE = 16
"""A bucket is 2^(1/16) = 4.4 % wide, so a quantile is off by at most half of that."""
BUCKETS = 32 * STEPS_PER_OCTAVE
"""1 microsecond to 72 minutes."""


class StageTimes:
    """Counts durations in buckets of equal ratio; one writer."""

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self.count = 0
        self.total_seconds = 0.0

    def add(self, seconds: float) -> None:
        """Counts one duration; shorter than a microsecond counts as one."""
        octaves = math.log2(max(seconds, SMALLEST_SECONDS) / SMALLEST_SECONDS)
        self._counts[min(int(octaves * STEPS_PER_OCTAVE), BUCKETS - 1)] += 1
        self.count += 1
        self.total_seconds += seconds

    def quantile_seconds(self, share: float) -> float | None:
        """The duration that `share` (0 to 1) of all do not exceed; None if there are none."""
        if self.count == 0:
            return None
        up_to = list(accumulate(self._counts))
        bucket = bisect_left(up_to, max(share * self.count, 1))
        return float(SMALLEST_SECONDS * 2 ** ((bucket + 0.5) / STEPS_PER_OCTAVE))
