"""FFmpeg's errors in plain words with a remedy, without the address it would quote."""

from av import error as av_error
from av.error import FFmpegError

from stream.errors import SourceError

_LOGIN = "check user and password; write / ? # @ in them as %2F %3F %23 %40"
_REACHED = "check that the camera is on and can be reached from here"
_WORDS: tuple[tuple[tuple[type[FFmpegError], ...], str, str], ...] = (
    (
        (av_error.HTTPUnauthorizedError, av_error.HTTPForbiddenError),
        "the login was refused",
        _LOGIN,
    ),
    ((av_error.HTTPNotFoundError,), "nothing is at that path", "check what follows the host"),
    ((av_error.ConnectionRefusedError,), "the connection was refused", "check host and port"),
    ((av_error.ExitError, av_error.TimeoutError), "no answer in time", _REACHED),
    (
        (av_error.PermissionError,),
        "it may not be read, or refers to something that may not be opened from here",
        "check its permissions; a playlist in a file may name files only",
    ),
    (
        (av_error.ProtocolNotFoundError,),
        "this build of FFmpeg cannot reach it",
        "pip install --force-reinstall --only-binary av av",
    ),
)
_NO_VIDEO = (
    "it is no video that FFmpeg knows, or too damaged; check that it plays in a video player"
)
# FFmpeg gives silence while it opens a camera the same name as nonsense.
_NO_VIDEO_YET = f"no answer in time, or nothing that FFmpeg knows; {_REACHED}"


def read_error(
    shown: str, doing: str, error: FFmpegError | OSError, *, is_live: bool = False
) -> SourceError:
    """The error to raise from FFmpeg's own.

    Args:
        shown: the source, as messages may name it.
        doing: what failed, as in "cannot open".
        error: FFmpeg's; its file name may hold a login and is left out.
        is_live: whether the source is a camera.
    """
    return SourceError(f"{shown}: {doing}: {_cause_and_remedy(error, is_live=is_live)}")


def _cause_and_remedy(error: FFmpegError | OSError, *, is_live: bool) -> str:
    for kinds, cause, remedy in _WORDS:
        if isinstance(error, kinds):
            return f"{cause}; {remedy}"
    if isinstance(error, av_error.InvalidDataError):
        return _NO_VIDEO_YET if is_live else _NO_VIDEO
    return error.strerror or type(error).__name__
