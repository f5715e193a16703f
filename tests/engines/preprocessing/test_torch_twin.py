"""torch's way to canvases and crops: its cases are those of the kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.preprocessing.launch_tables import crop_table
from stream.errors import PoseError
from stream.geometry import CropAffine, crop_affine
from stream.picture import ColourSpace, to_canvas
from tests.engines.preprocessing.compiled_body import CompiledBody
from tests.engines.preprocessing.picture_cases import CROP, Scene, crops, cut, noise, scenes, worst

torch = pytest.importorskip("torch", reason="posestream[gpu] is not installed")

from engines.preprocessing import torch_twin  # noqa: E402 - after the question whether torch is here
from engines.preprocessing.tensor_picture import (  # noqa: E402
    TensorPicture,
    nv12_picture,
    uploaded,
)

TIES = 2
"""Grey levels, where averages lie between two: one of a plane becomes two of blue."""
LEVELS = 1


@settings(max_examples=60)
@given(scenes())
def test_a_canvas_is_that_of_the_pipeline(scene: Scene) -> None:
    [found] = torch_twin.twin_canvases([uploaded(scene.picture, "cpu")], [(0, scene.place)])
    assert worst(found.numpy(), to_canvas(scene.picture, scene.place)) <= TIES


@settings(max_examples=60)
@given(scenes(), st.lists(crops(), min_size=1, max_size=3))
def test_crops_are_those_of_the_pipeline(scene: Scene, places: list[CropAffine]) -> None:
    numbered = [(0, place) for place in places]
    found = torch_twin.twin_crops([uploaded(scene.picture, "cpu")], numbered)
    assert worst(found.numpy(), cut(scene.picture, places)) <= LEVELS


def test_twin_and_kernels_agree_on_tensors_that_are_views_of_nv12(
    compiled_body: CompiledBody,
) -> None:
    """The address of a tensor is what the kernels get on a GPU."""
    y = torch.randint(0, 256, (51, 80), dtype=torch.uint8)[:, :67]
    pairs = torch.randint(0, 256, (26, 40, 2), dtype=torch.uint8)[:, :34]
    picture = nv12_picture(y, pairs, ColourSpace.BT709, full_range=False)
    place = crop_affine((10, 5, 30, 40), *CROP)
    found = compiled_body.crops([picture.address], crop_table([(0, place)]), *CROP)
    assert worst(found, torch_twin.twin_crops([picture], [(0, place)]).numpy()) <= LEVELS


def test_several_pictures_ride_together(compiled_body: CompiledBody) -> None:
    pictures = [uploaded(noise(40, 30, 1), "cpu"), uploaded(noise(41, 31, 2), "cpu")]
    places = [(number, crop_affine((2, 2, 20, 20), *CROP)) for number in (1, 0, 1)]
    found = torch_twin.twin_crops(pictures, places).numpy()
    expected = compiled_body.crops([one.address for one in pictures], crop_table(places), *CROP)
    assert worst(found, expected) <= LEVELS
    np.testing.assert_array_equal(found[0], found[2])


def test_planes_that_do_not_belong_together_are_refused() -> None:
    y, small = torch.zeros(4, 4, dtype=torch.uint8), torch.zeros(2, 1, dtype=torch.uint8)
    with pytest.raises(PoseError, match="expected chroma"):
        TensorPicture(y, small, small, ColourSpace.BT601, full_range=True)
