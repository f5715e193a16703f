"""The similarity that is learnt is the one that is measured."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from builders.networks.joint_similarity import joint_similarity
from stream.oks import object_keypoint_similarity
from stream.skeleton import COCO_17

DISTANCES = arrays(np.float32, (3, 17, 2), elements=st.floats(-60, 60, width=32))
AREAS = arrays(np.float32, (3,), elements=st.floats(1, 1e5, width=32))


@given(DISTANCES, AREAS)
def test_its_mean_over_the_joints_is_cocos_similarity(left: np.ndarray, area: np.ndarray) -> None:
    true = np.zeros((3, 17, 2), np.float32)
    weights = np.ones((3, 17), np.float32)
    expected = object_keypoint_similarity(true, left, weights, area, COCO_17.sigmas)
    similar = joint_similarity(torch.from_numpy(left), torch.from_numpy(area))
    np.testing.assert_allclose(similar.mean(-1), expected.diagonal(), atol=1e-5)


def test_points_of_one_joint_share_the_persons_area() -> None:
    left = torch.ones(2, 5, 17, 2)
    similar = joint_similarity(left, torch.tensor([10.0, 1e6]))
    assert similar.shape == (2, 5, 17)
    assert (similar[0] < similar[1]).all()
    assert torch.equal(similar[:, :1].expand_as(similar), similar)


def test_its_gradient_draws_towards_the_joint_and_stays_finite() -> None:
    left = torch.tensor([0.0, 2.0, 1e4]).reshape(3, 1, 1).expand(3, 17, 2).clone().requires_grad_()
    similar = joint_similarity(left, torch.tensor([0.0, 100.0, 0.0]))
    (gradient,) = torch.autograd.grad(similar.sum(), left)
    assert gradient.isfinite().all()
    assert (gradient[1] < 0).all()
