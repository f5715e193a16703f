"""Results as a Parquet table: one row a frame, the fields of a line of JSON as columns.

The only file that imports pyarrow. People are a nested list, so that a frame without any is a row
too. Numbers are those of the line (`stream.wire`), pixels and ratios in 32 bits.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from stream.errors import SinkError
from stream.frame import FrameResult
from stream.sinks.partial_file import PartialFile
from stream.sinks.write_errors import closed_error, write_error
from stream.wire import encode

ROWS_IN_GROUP = 4096
"""Held in memory until they are written together."""
INSTALL = "pyarrow is not installed; install it with: pip install 'posestream[parquet]'"


class ParquetSink:
    """For sources with an end. Written as `FILE.partial` until `close`.

    A Parquet file can be read only once it is whole: `abandon` ends it properly under `.partial`,
    a killed process leaves one that nobody can read.
    """

    def __init__(self, path: Path) -> None:
        """Makes the file.

        Raises:
            SinkError: if it cannot be written there, or pyarrow is missing.
        """
        self._arrow, parquet = import_pyarrow()
        self._file = PartialFile(path)
        self._file.create()
        self._rows: list[dict[str, Any]] = []
        self._is_open = True
        try:
            # A file of our own: the writer keeps its one open when the disk is full.
            self._raw = self._file.partial.open("wb")
            self._writer = parquet.ParquetWriter(
                self._raw, _schema(self._arrow), compression="zstd"
            )
        except OSError as error:
            raise write_error(str(path), error, "nothing was written") from error

    def publish(self, result: FrameResult) -> None:
        """See `Sink.publish`."""
        if not self._is_open:
            raise closed_error(str(self._file.final))
        # Through the line, so that every format holds the same rounded numbers.
        self._rows.append(json.loads(encode(result)))
        if len(self._rows) >= ROWS_IN_GROUP:
            self._write_rows()

    def close(self) -> None:
        """See `Sink.close`."""
        if self._is_open:
            self._end_table()
            self._is_open = False
            self._file.finish()

    def abandon(self) -> None:
        """See `Sink.abandon`."""
        if self._is_open:
            self._is_open = False
            with suppress(SinkError):
                self._end_table()
            with suppress(OSError):
                self._raw.close()
            self._file.keep()

    def _end_table(self) -> None:
        self._write_rows()
        try:
            self._writer.close()
            self._raw.close()
        except OSError as error:
            raise self._error(error) from error

    def _write_rows(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        try:
            self._writer.write_table(self._arrow.Table.from_pylist(rows, self._writer.schema))
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> SinkError:
        return write_error(str(self._file.final), error, self._file.kept)


def import_pyarrow() -> tuple[Any, Any]:
    """The package and its module for Parquet.

    Raises:
        SinkError: if it is not installed.
    """
    try:
        import pyarrow  # noqa: PLC0415 - 0.1 s and an optional package
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise SinkError(INSTALL) from error
    return pyarrow, parquet


def _schema(arrow: Any) -> Any:
    single, small, whole = arrow.float32(), arrow.int32(), arrow.int64()
    pose = arrow.struct(
        [
            ("track", small),
            ("score", single),
            ("box", arrow.list_(single, 4)),
            ("keypoints", arrow.list_(arrow.list_(single, 3), 17)),
        ]
    )
    return arrow.schema(
        [
            ("schema", small),
            ("stream", arrow.string()),
            ("epoch", small),
            ("frame", whole),
            ("pts_seconds", arrow.float64()),
            ("width", small),
            ("height", small),
            ("outcome", arrow.string()),
            ("model", arrow.string()),
            ("poses", arrow.list_(pose)),
        ]
    )
