"""The crop of `stream.geometry` is the three-point affine of the published top-down code."""

import cv2
import numpy as np
import pytest

from stream.geometry import CropAffine, crop_affine


@pytest.mark.parametrize("rotation", [0.0, 30.0, -75.0])
@pytest.mark.parametrize("box", [(30.0, 40.0, 60.0, 200.0), (10.0, 5.0, 90.0, 50.0)])
def test_equals_three_points_mapped_by_opencv(
    rotation: float, box: tuple[float, float, float, float]
) -> None:
    x, y, w, h = box
    centre = np.array([x + w / 2, y + h / 2])
    wide, high = (h * 0.75, h) if w < 0.75 * h else (w, w / 0.75)  # grow the short side to 3:4
    scale = np.array([wide, high]) / 200 * 1.25
    radians = np.deg2rad(rotation)
    arm = scale[0] * 200 * -0.5
    up = np.array([-arm * np.sin(radians), arm * np.cos(radians)])

    def third(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        away = a - b
        return np.asarray(b + np.array([-away[1], away[0]]))

    middle = np.array([96.0, 128.0])
    there = middle + np.array([0, -96.0])
    source = np.stack([centre, centre + up, third(centre, centre + up)]).astype(np.float32)
    target = np.stack([middle, there, third(middle, there)]).astype(np.float32)
    expected = cv2.getAffineTransform(source, target)
    plain = crop_affine(box, 192, 256)
    affine = CropAffine(plain.centre_px, plain.width_px, 192, 256, rotation)
    np.testing.assert_allclose(affine.matrix(), expected, atol=1e-3)
