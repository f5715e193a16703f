"""`python -m builders.training`: the same program as `posestream train`, for torchrun."""

import sys

from builders.training.train_command import app
from stream.errors import PoseStreamError

if __name__ == "__main__":
    try:
        app()
    except PoseStreamError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
