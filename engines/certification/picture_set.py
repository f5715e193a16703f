"""The pictures that engines are compared on."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stream.errors import ConfigError
from stream.geometry import letterbox
from stream.picture import picture_from_rgb, to_canvas

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]

DRAWN = "drawn-1"
"""Name of the set that comes along; counts up when a picture changes."""
DRAWN_FOLDER = Path(__file__).parent / "drawn"
REAL_PICTURES = 64
"""So many of a user's folder are enough."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True, slots=True, eq=False)
class PictureSet:
    """A name that stands in the certificate, and (H, W, 3) RGB pictures."""

    name: str
    pictures: tuple[Rgb, ...]
    joints_px: tuple[Floats, ...] | None = None
    """(N, 17, 2) where the people of each picture are; None if nobody knows."""

    def part(self, which: slice) -> "PictureSet":
        """Some of the pictures; the name says so."""
        joints = self.joints_px[which] if self.joints_px is not None else None
        return PictureSet(f"{self.name}, in part", self.pictures[which], joints)

    def on_canvas(self, canvas: tuple[int, int]) -> NDArray[np.uint8]:
        """(N, H, W, 3) the pictures as a one-pass engine gets them; canvas is (width, height)."""
        canvases = []
        for rgb in self.pictures:
            picture = picture_from_rgb(rgb)
            canvases.append(to_canvas(picture, letterbox(picture.width, picture.height, *canvas)))
        return np.stack(canvases)


def drawn_set() -> PictureSet:
    """The people that come along (`builders/drawn_people.py`)."""
    truth = json.loads((DRAWN_FOLDER / "people.json").read_text(encoding="utf-8"))
    pictures = map(_read_rgb, sorted(DRAWN_FOLDER.glob("*.png")))
    return PictureSet(DRAWN, tuple(pictures), tuple(np.array(one, np.float32) for one in truth))


def folder_set(folder: Path, count: int = REAL_PICTURES) -> PictureSet:
    """Up to `count` pictures of a folder, spread evenly over its sorted names.

    Raises:
        ConfigError: if there is none, or one cannot be read.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ConfigError(f"pictures {folder}: no picture there (looked for {', '.join(SUFFIXES)})")
    chosen = paths[:: max(1, len(paths) // count)][:count]
    return PictureSet(f"{folder.name} ({len(chosen)} pictures)", tuple(map(_read_rgb, chosen)))


def _read_rgb(path: Path) -> Rgb:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ConfigError(f"picture {path}: OpenCV cannot read it")
    return np.ascontiguousarray(bgr[..., ::-1], np.uint8)
