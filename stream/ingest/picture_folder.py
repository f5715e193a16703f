"""A folder of pictures as a stream of constant rate."""

import logging
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

from stream.clock import Clock
from stream.errors import SourceError
from stream.frame import Frame
from stream.ingest.av_picture import PictureMaker
from stream.ingest.decode_ladder import DecodeStep
from stream.ingest.source import SourceDescription
from stream.ingest.video_address import file_address
from stream.ingest.video_reader import VideoReader
from stream.picture import Picture

log = logging.getLogger(__name__)

PICTURE_SUFFIXES = (
    ".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
_DIGITS = re.compile(r"(\d+)")


class PictureFolder:
    """Implements `Source`: the pictures in natural order, 2.png before 10.png.

    A picture that cannot be read is counted as a corrupt packet and named in the log; its moment
    passes without a frame. Pictures may differ in size.
    """

    def __init__(
        self, folder: Path, *, stream: str, clock: Clock, fps: float, max_pixels: int
    ) -> None:
        """Lists the folder and reads its first picture.

        Raises:
            SourceError: if no picture is there, or none can be read.
        """
        self._paths = picture_paths(folder)
        self._stream = stream
        self._clock = clock
        self._fps = fps
        self._max_pixels = max_pixels
        self._pictures = PictureMaker()
        self._codec = ""
        self._is_open = True
        self.corrupt_packets = 0
        self.decode_steps: tuple[DecodeStep, ...] = ()
        self._read = self._read_all()
        first = next(self._read, None)
        if first is None:
            raise SourceError(
                f"{folder}: none of its {len(self._paths)} pictures can be read; the log names them"
            )
        self._first = first
        self.description = SourceDescription(
            stream=stream,
            codec=self._codec,
            width=first.picture.width,
            height=first.picture.height,
            is_live=False,
            frames_from_header=len(self._paths),
            duration_seconds_from_header=len(self._paths) / fps,
            fps_from_header=fps,
        )

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        if self._is_open:
            yield self._first
            yield from self._read

    def close(self) -> None:
        """See `Source.close`."""
        self._is_open = False
        self._read.close()
        self._pictures.close()

    def _read_all(self) -> Generator[Frame, None, None]:
        index = 0
        for place, path in enumerate(self._paths):
            try:
                picture, damaged = self._picture(path)
            except SourceError as error:
                self.corrupt_packets += 1
                fields = {"stream": self._stream, "cause": str(error)}
                log.warning("picture_unreadable", extra=fields)
                continue
            seconds = place / self._fps
            captured = self._clock.wall()
            yield Frame(self._stream, 0, index, seconds, captured, picture, damaged)
            index += 1

    def _picture(self, path: Path) -> tuple[Picture, bool]:
        reader = VideoReader(file_address(path), thread_count=1, max_pixels=self._max_pixels)
        with closing(reader), closing(reader.frames()) as frames:
            frame = next(frames)
            self._pictures.next_file()
            self._codec = self._codec or reader.codec
            return self._pictures.picture(frame), frame.is_corrupt


def picture_paths(folder: Path) -> list[Path]:
    """The pictures directly in a folder, hidden ones left out, in natural order.

    Raises:
        SourceError: if there is none.
    """
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed: {error.strerror}") from error
    found = [path for path in entries if _is_picture(path)]
    if not found:
        raise SourceError(
            f"{folder}: no picture in this folder; expected files that end in "
            f"{' '.join(PICTURE_SUFFIXES)}"
        )
    return sorted(found, key=_natural)


def _is_picture(path: Path) -> bool:
    is_named = path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    return is_named and path.is_file()


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Numbers by value, words without case; equals like 1.png and 01.png by their very name."""
    parts = _DIGITS.split(path.name)
    key = [(int(part), "") if part.isdecimal() else (0, part.lower()) for part in parts]
    return key, path.name
