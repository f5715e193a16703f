"""What a failed write is called and what to do about it."""

import errno

from stream.errors import SinkError

_REMEDIES = {
    errno.ENOSPC: "free space on the disk and run again, or choose another folder",
    errno.EDQUOT: "free space in your quota and run again, or choose another folder",
    errno.EACCES: "choose a folder you may write to",
    errno.EPERM: "choose a folder you may write to",
    errno.EROFS: "choose a folder that is not read-only",
    errno.ENOENT: "create the folder first",
    errno.ENOTDIR: "choose a folder; a part of this path is a file",
    errno.EISDIR: "choose the name of a file; this is a folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EPIPE: "the reader went away; keep it running to the end",
}


def write_error(target: str, error: OSError, kept: str) -> SinkError:
    """The error for a failed write: what failed, what is kept, what to do."""
    remedy = _REMEDIES.get(error.errno or 0, "choose another place for the output")
    return SinkError(f"cannot write {target}: {error.strerror or error}; {kept}; {remedy}")


def closed_error(target: str) -> SinkError:
    """The error for a result that comes after `close` or `abandon`."""
    return SinkError(f"{target}: the sink is closed and takes no more results; open a new one")
