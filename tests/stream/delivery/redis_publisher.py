"""Publishes frames of a stream for ever and tells each one's number; to be killed.

Every start is an epoch of its own, as it is for a daemon.
"""

import sys
from itertools import count
from pathlib import Path

from stream.clock import SystemClock
from stream.delivery.open_delivery import RedisPlan, open_delivery
from stream.sinks.redis_address import parse_redis_address
from tests.results import result_of


def main() -> None:
    location, spool, epoch = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    clock = SystemClock()
    delivery = open_delivery([RedisPlan("redis", parse_redis_address(location))], spool, clock)
    sink = delivery.open_stream("clip")
    for index in count():
        sink.publish(result_of(index, epoch=epoch, capture_seconds=clock.wall()))
        settled = delivery.counts()["redis"]["clip"]
        sys.stdout.write(f"{index} {settled.acked + settled.spooled}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
