"""`python -m builders.drawn_people`: the pictures that come along to certify engines with.

People with clothes, skin and faces in plain scenes: drawn, so that nobody's picture is shipped,
and found by trained networks with scores like those of real people. They are shipped as files
because other versions of OpenCV may draw an edge another way.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from stream.ingest.pattern_source import Pattern

WIDTH, HEIGHT = 480, 360
PEOPLE = (1, 2, 3, 4, 2, 3, 4, 3)
"""How many stand in each picture."""
_SKINS = ((224, 172, 140), (150, 100, 70), (190, 140, 110), (240, 200, 175))
_SUBPIXEL_BITS = 4

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float64]
Colour = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Figure:
    """One person: where the joints are and what they wear."""

    joints: Floats
    """(17, 2) pixels."""
    tall_px: float
    skin: Colour
    shirt: Colour
    trousers: Colour
    hair: Colour

    def __getitem__(self, joint: int) -> Floats:
        place: Floats = self.joints[joint]
        return place

    def middle(self, first: int, second: int) -> Floats:
        place: Floats = self.joints[[first, second]].mean(axis=0)
        return place

    def moved(self, joint: int, down: float) -> Floats:
        """A joint moved down by a share of the height."""
        place: Floats = self[joint] + np.array([0, down * self.tall_px])
        return place


def draw_scene(seed: int, people: int) -> tuple[Rgb, Floats]:
    """(HEIGHT, WIDTH, 3) picture and (people, 17, 2) joints, the same for the same seed."""
    dice = np.random.default_rng(seed)
    rgb, joints = _background(dice), []
    for place in range(people):
        tall_px = float(dice.uniform(0.5, 0.8)) * HEIGHT
        x = (place + 0.5) * WIDTH / people + dice.uniform(-15, 15)
        top = HEIGHT * 0.93 - tall_px - dice.uniform(0, 0.05) * HEIGHT
        figure = _figure(dice, x, top, tall_px)
        joints.append(figure.joints)
        _draw(rgb, figure)
    return cv2.GaussianBlur(rgb, (0, 0), 0.7).astype(np.uint8), np.array(joints)


def _background(dice: np.random.Generator) -> Rgb:
    rgb = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    horizon = int(HEIGHT * dice.uniform(0.45, 0.6))
    rgb[:horizon] = dice.integers(110, 200, 3)
    rgb[horizon:] = dice.integers(70, 140, 3)
    for _ in range(4):
        left, wide, tall = (
            int(dice.integers(*ends)) for ends in ((0, WIDTH), (30, 110), (40, 150))
        )
        corners = (left, horizon - tall), (left + wide, horizon)
        cv2.rectangle(rgb, *corners, _colour(dice, 80, 200), -1)
    return rgb


def _figure(dice: np.random.Generator, x: float, top: float, tall_px: float) -> _Figure:
    pattern = Pattern(width=200, height=100, people=1)
    joints = pattern.keypoints_px(int(dice.integers(25)))[0].astype(np.float64)
    joints -= [joints[:, 0].mean(), 0.1 * pattern.height]
    joints *= [float(dice.uniform(0.85, 1.05)), 1]
    return _Figure(
        joints=joints / (0.8 * pattern.height) * tall_px + [x, top],
        tall_px=tall_px,
        skin=_SKINS[int(dice.integers(len(_SKINS)))],
        shirt=_colour(dice, 20, 230),
        trousers=_colour(dice, 20, 120),
        hair=_colour(dice, 10, 90),
    )


def _draw(rgb: Rgb, one: _Figure) -> None:
    """From the feet to the hands, so that what is in front hides what is behind."""
    for hip, knee, ankle, light in ((12, 14, 16, 0.85), (11, 13, 15, 1.0)):
        _leg(rgb, one, (hip, knee, ankle), light)
    _torso(rgb, one)
    _head(rgb, one)
    for shoulder, elbow, wrist, light in ((6, 8, 10, 0.83), (5, 7, 9, 0.97)):
        _arm(rgb, one, (shoulder, elbow, wrist), light)


def _leg(rgb: Rgb, one: _Figure, joints: tuple[int, int, int], light: float) -> None:
    hip, knee, ankle = joints
    tall, cloth = one.tall_px, _lit(one.trousers, light)
    _limb(rgb, (one[hip], one[knee]), (0.055 * tall, 0.042 * tall), cloth)
    _limb(rgb, (one[knee], one[ankle]), (0.042 * tall, 0.028 * tall), cloth)
    heel = one.moved(ankle, 0.015)
    outwards = one[ankle][0] - one.middle(11, 12)[0]
    toes = heel + np.array([0.3 * outwards, 0.01 * tall])
    _limb(rgb, (heel, toes), (0.025 * tall, 0.02 * tall), (30, 30, 35))


def _torso(rgb: Rgb, one: _Figure) -> None:
    tall = one.tall_px
    wider = np.array([[-0.015, -0.02], [0.015, -0.02], [0.03, 0.03], [-0.03, 0.03]]) * tall
    cv2.fillPoly(rgb, [_fixed(one.joints[[6, 5, 11, 12]] + wider)], one.shirt, cv2.LINE_AA, 4)
    _limb(rgb, (one[5], one[6]), (0.03 * tall, 0.03 * tall), one.shirt)
    _limb(rgb, (one[11], one[12]), (0.045 * tall, 0.045 * tall), _lit(one.trousers, 0.95))


def _head(rgb: Rgb, one: _Figure) -> None:
    tall, nose = one.tall_px, one[0]
    _limb(rgb, (one.middle(5, 6), nose), (0.028 * tall, 0.03 * tall), _lit(one.skin, 0.85))
    _ellipse(rgb, one.moved(0, -0.035), (0.115 * tall, 0.13 * tall), one.hair)
    _ellipse(rgb, one.moved(0, -0.01), (0.095 * tall, 0.125 * tall), one.skin)
    for eye in (1, 2):
        _dot(rgb, one[eye], max(1.0, 0.008 * tall), (30, 25, 20))
    _ellipse(rgb, one.moved(0, 0.03), (0.03 * tall, 0.01 * tall), (150, 70, 70))
    _dot(rgb, one.moved(0, 0.004), max(1.0, 0.007 * tall), _lit(one.skin, 0.75))


def _arm(rgb: Rgb, one: _Figure, joints: tuple[int, int, int], light: float) -> None:
    shoulder, elbow, wrist = joints
    tall = one.tall_px
    _limb(rgb, (one[shoulder], one[elbow]), (0.036 * tall, 0.03 * tall), _lit(one.shirt, light))
    _limb(rgb, (one[elbow], one[wrist]), (0.026 * tall, 0.02 * tall), one.skin)
    _dot(rgb, one.moved(wrist, 0.015), 0.025 * tall, one.skin)


def _limb(
    rgb: Rgb, ends: tuple[Floats, Floats], radii: tuple[float, float], colour: Colour
) -> None:
    """A capsule that may narrow."""
    along = ends[1] - ends[0]
    across = np.array([-along[1], along[0]]) / (np.hypot(*along) + 1e-6)
    (first, second), (wide, narrow) = ends, radii
    corners = [first + across * wide, second + across * narrow]
    corners += [second - across * narrow, first - across * wide]
    cv2.fillPoly(rgb, [_fixed(np.array(corners))], colour, cv2.LINE_AA, _SUBPIXEL_BITS)
    for end, radius in zip(ends, radii, strict=True):
        _dot(rgb, end, radius, colour)


def _dot(rgb: Rgb, middle: Floats, radius: float, colour: Colour) -> None:
    x, y = _fixed(middle).tolist()
    fixed_radius = int(radius * (1 << _SUBPIXEL_BITS))
    cv2.circle(rgb, (x, y), fixed_radius, colour, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _ellipse(rgb: Rgb, middle: Floats, size: tuple[float, float], colour: Colour) -> None:
    x, y = middle.tolist()
    cv2.ellipse(rgb, ((x, y), size, 0.0), colour, -1, cv2.LINE_AA)


def _fixed(points: Floats) -> NDArray[np.int32]:
    """Pixels to the fixed-point numbers that OpenCV draws between pixels with."""
    return np.rint(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def _colour(dice: np.random.Generator, low: int, high: int) -> Colour:
    return tuple(int(value) for value in dice.integers(low, high, 3))


def _lit(colour: Colour, light: float) -> Colour:
    return tuple(int(value * light) for value in colour)


def main(
    out: Annotated[Path, typer.Option(help="Folder to write the pictures into.")],
) -> None:
    """Draws the set; the same files each time."""
    out.mkdir(parents=True, exist_ok=True)
    truth = []
    for seed, people in enumerate(PEOPLE):
        rgb, joints = draw_scene(seed, people)
        cv2.imwrite(str(out / f"scene_{seed}.png"), rgb[..., ::-1])
        truth.append(np.round(joints, 1).tolist())
    (out / "people.json").write_text(json.dumps(truth, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
