"""FFmpeg's errors in plain words with a remedy, without the address it would quote."""

from av.error import (
    ConnectionRefusedError as AvConnectionRefusedError,
)
from av.error import (
    ExitError,
    FFmpegError,
    HTTPForbiddenError,
    HTTPNotFoundError,
    HTTPUnauthorizedError,
    InvalidDataError,
    ProtocolNotFoundError,
)
from av.error import (
    PermissionError as AvPermissionError,
)
from av.error import (
    TimeoutError as AvTimeoutError,
)

from stream.errors import SourceError

_LOGIN = "check user and password; write / ? # @ in them as %2F %3F %23 %40"
_REACHED = "check that the camera is on and can be reached from here"
_WORDS: tuple[tuple[tuple[type[FFmpegError], ...], str, str], ...] = (
    ((HTTPUnauthorizedError, HTTPForbiddenError), "the login was refused", _LOGIN),
    ((HTTPNotFoundError,), "nothing is at that path", "check what follows the host"),
    ((AvConnectionRefusedError,), "the connection was refused", "check host and port"),
    ((ExitError, AvTimeoutError), "no answer in time", _REACHED),
    (
        (AvPermissionError,),
        "it may not be read, or refers to something that may not be opened from here",
        "check its permissions; a playlist in a file may name files only",
    ),
    ((ProtocolNotFoundError,), "this build of FFmpeg cannot reach it", "install PyAV's wheel"),
    (
        (InvalidDataError,),
        "it is no video that FFmpeg knows, or too damaged",
        "check that it plays in a video player",
    ),
)


def read_error(shown: str, doing: str, error: FFmpegError | OSError) -> SourceError:
    """The error to raise from FFmpeg's own.

    Args:
        shown: the source, as messages may name it.
        doing: what failed, as in "cannot open".
        error: FFmpeg's; its file name may hold a login and is left out.
    """
    for kinds, cause, remedy in _WORDS:
        if isinstance(error, kinds):
            return SourceError(f"{shown}: {doing}: {cause}; {remedy}")
    return SourceError(f"{shown}: {doing}: {error.strerror or type(error).__name__}")
