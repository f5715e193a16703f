"""`posestream`, or `python -m stream`: exit code 0 done, 1 failed, 2 wrong use."""

import sys

from stream.commands.app import app
from stream.errors import ConfigError, PoseStreamError

FAILED = 1
WRONG_USE = 2


def main() -> None:
    """Runs the command line; an expected error is one line on standard error, no traceback."""
    try:
        app()
    except PoseStreamError as error:
        from stream.redaction import redacted  # noqa: PLC0415 - only when something went wrong

        line = " ".join(redacted(str(error)).split())
        sys.stderr.write(f"posestream: {line}\n")
        sys.exit(WRONG_USE if isinstance(error, ConfigError) else FAILED)


if __name__ == "__main__":
    main()
