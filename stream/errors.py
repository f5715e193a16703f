"""Every exception of posestream.

::

    PoseStreamError
     +-- ConfigError   (ValueError)    a setting is wrong; names the field and the remedy
     |    +-- UnknownStreamError       no stream has that name
     |    +-- StreamExistsError        a stream has that name already
     +-- PoseError     (ValueError)    arrays that make no pose, skeleton, frame or geometry
     +-- SourceError   (OSError)       frames cannot be read
     |    +-- HardwareDecodeError      not by the GPU's decoder; another may
     +-- ArtefactError (ValueError)    a model folder is unknown, incomplete or altered
     +-- EngineError   (RuntimeError)  an engine cannot be made or fails
     +-- SinkError     (OSError)       results cannot be delivered
          +-- SinkAwayError            to nobody, for now; another time they may be

Messages say what happened, to which thing, what was got, what was expected and what to do.
"""

from enum import StrEnum


class PoseStreamError(Exception):
    """Root of all errors that posestream raises on purpose."""


class ConfigError(PoseStreamError, ValueError):
    """A setting is wrong."""


class UnknownStreamError(ConfigError):
    """No stream has that name."""


class StreamExistsError(ConfigError):
    """A stream has that name already."""


class PoseError(PoseStreamError, ValueError):
    """Arrays do not make a pose, skeleton, frame or geometry."""


class LossCause(StrEnum):
    """Why frames cannot be read, as far as it can be told."""

    EOF = "eof"
    """The other side closed the connection."""
    TIMEOUT = "timeout"
    AUTH = "auth"
    TLS = "tls"
    NOT_FOUND = "not_found"
    CODEC = "codec"
    """What comes is no video that can be decoded here."""
    NETWORK = "network"
    WATCHDOG = "watchdog"
    """The reader itself hung or died."""


class SourceError(PoseStreamError, OSError):
    """Frames cannot be read."""

    def __init__(self, message: str, cause: LossCause = LossCause.CODEC) -> None:
        super().__init__(message)
        self.cause = cause


class HardwareDecodeError(SourceError):
    """Frames cannot be decoded by the GPU; the processor may still be able to."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        """One of `stream.ingest.decode_ladder.StepReason`."""


class ArtefactError(PoseStreamError, ValueError):
    """A model folder is unknown, incomplete or altered."""


class Obstacle(StrEnum):
    """Why an engine cannot be made, as far as it can be told."""

    NO_PACKAGE = "no_package"
    VERSION = "version"
    """The package is of a version that was never tried, or lacks a name."""
    NO_DRIVER = "no_driver"
    NO_GPU = "no_gpu"
    """A driver, but no GPU that it would show."""
    DRIVER_FAILED = "driver_failed"
    NOT_BUILT = "not_built"
    MEMORY = "memory"
    """The GPU has too little left."""
    REFUSED = "refused"
    """Anything else that the engine itself says."""


class EngineError(PoseStreamError, RuntimeError):
    """An engine cannot be made, or failed."""

    def __init__(self, message: str, obstacle: Obstacle = Obstacle.REFUSED) -> None:
        super().__init__(message)
        self.obstacle = obstacle


class SinkError(PoseStreamError, OSError):
    """Results cannot be delivered."""


class SinkAwayError(SinkError):
    """The sink takes nothing from anybody at present; another time it may."""
