"""Log lines: events of the standard `logging` loggers, formatted by structlog, to stderr."""

import logging
import sys
from enum import Enum
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

from stream.redaction import redacted


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to the `sys.stderr` of the moment: a live progress line puts its own there."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def redact_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: no login leaves with a log line, wherever in it it stands."""
    return {key: _clean(value) for key, value in event.items()}


def configure_logs(level: int) -> None:
    """Sends all events from `level` on to standard error, as console lines."""
    handler = _StderrHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
            processors=[*_processors(), _renderer()],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _processors() -> list[Processor]:
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.processors.format_exc_info,
        redact_fields,
    ]


def _renderer() -> Processor:
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)


def _clean(value: object) -> object:
    if isinstance(value, Enum | bool | int | float) or value is None:
        return value.value if isinstance(value, Enum) else value
    return redacted(str(value))
