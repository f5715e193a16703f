"""FFmpeg's errors in plain words with a remedy, without the address it would quote."""

from av import error as av_error
from av.error import FFmpegError

from stream.errors import LossCause, SourceError

_LOGIN = "check user and password; write / ? # @ in them as %2F %3F %23 %40"
_REACHED = "check that the camera is on and can be reached from here"
_WORDS: tuple[tuple[tuple[type[FFmpegError], ...], LossCause, str, str], ...] = (
    (
        (av_error.HTTPUnauthorizedError, av_error.HTTPForbiddenError),
        LossCause.AUTH,
        "the login was refused",
        _LOGIN,
    ),
    (
        (av_error.HTTPNotFoundError,),
        LossCause.NOT_FOUND,
        "nothing is at that path",
        "check what follows the host",
    ),
    (
        (av_error.ConnectionRefusedError,),
        LossCause.NETWORK,
        "the connection was refused",
        "check host and port",
    ),
    (
        (av_error.ExitError, av_error.TimeoutError),
        LossCause.TIMEOUT,
        "no answer in time",
        _REACHED,
    ),
    (
        (av_error.PermissionError,),
        LossCause.AUTH,
        "it may not be read, or refers to something that may not be opened from here",
        "check its permissions; a playlist in a file may name files only",
    ),
    (
        (av_error.ProtocolNotFoundError,),
        LossCause.CODEC,
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
    cause, words = _cause_and_words(error, is_live=is_live)
    return SourceError(f"{shown}: {doing}: {words}", cause)


def _cause_and_words(error: FFmpegError | OSError, *, is_live: bool) -> tuple[LossCause, str]:
    for kinds, cause, words, remedy in _WORDS:
        if isinstance(error, kinds):
            return cause, f"{words}; {remedy}"
    if isinstance(error, av_error.InvalidDataError):
        return (LossCause.TIMEOUT, _NO_VIDEO_YET) if is_live else (LossCause.CODEC, _NO_VIDEO)
    is_missing = isinstance(error, FileNotFoundError)
    cause = LossCause.NOT_FOUND if is_missing else LossCause.NETWORK
    return cause, error.strerror or type(error).__name__
