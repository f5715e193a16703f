"""How a batch of any size rides through a graph that is compiled for a few sizes; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stream.errors import ConfigError

MAX_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Ride:
    """Rows `start` up to `stop` (exclusive) of a batch, run in a graph that takes `bucket` rows."""

    start: int
    stop: int
    bucket: int

    @property
    def padding(self) -> int:
        """Rows that are computed and thrown away."""
        return self.bucket - (self.stop - self.start)


def checked_buckets(buckets: Sequence[int]) -> tuple[int, ...]:
    """Batch sizes, sorted, each once.

    Raises:
        ConfigError: if there is none, or one is out of range.
    """
    found = tuple(sorted(set(buckets)))
    if not found or found[0] < 1 or found[-1] > MAX_BATCH:
        raise ConfigError(
            f"batch sizes: expected one or more of 1 to {MAX_BATCH}, got {tuple(buckets)}"
        )
    return found


def rides(batch: int, buckets: Sequence[int]) -> Iterator[Ride]:
    """Full rides in the largest bucket, then one in the smallest bucket that takes the rest."""
    start, largest = 0, max(buckets)
    while batch - start >= largest:
        yield Ride(start, start + largest, largest)
        start += largest
    if start < batch:
        yield Ride(start, batch, min(size for size in buckets if size >= batch - start))
