"""Writes records to a spool for ever and tells each one's sequence; to be killed."""

import sys
from pathlib import Path

from stream.delivery.spool import Spool, SpoolLimits
from tests.stream.delivery.records import record


def main() -> None:
    spool = Spool(Path(sys.argv[1]), SpoolLimits(max_bytes=1 << 26))
    if spool.is_empty:
        spool.begin(spool.cursor)
    while True:
        sequence = spool.end
        assert spool.append(record(sequence))
        sys.stdout.write(f"{sequence}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
