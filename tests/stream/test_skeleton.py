import numpy as np
import pytest
from pycocotools.cocoeval import Params

from stream.errors import PoseError
from stream.skeleton import COCO_17, CROWDPOSE_14, SKELETONS, Skeleton


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_mirroring_twice_changes_nothing_and_exchanges_left_and_right(skeleton: Skeleton) -> None:
    order = skeleton.flip_order()
    assert order[order].tolist() == list(range(len(skeleton.joints)))
    swapped = [name.replace("left", "L").replace("right", "left") for name in skeleton.joints]
    expected = [name.replace("L", "right") for name in swapped]
    assert [skeleton.joints[index] for index in order] == expected


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_limbs_join_all_joints_into_one_body_and_mirror_onto_each_other(
    skeleton: Skeleton,
) -> None:
    reached = {0}
    for _ in skeleton.joints:
        reached |= {joint for limb in skeleton.limbs if reached & set(limb) for joint in limb}
    assert reached == set(range(len(skeleton.joints)))
    order = skeleton.flip_order()
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert {frozenset(int(order[joint]) for joint in limb) for limb in limbs} == limbs


def test_the_sigmas_of_coco_are_those_of_its_evaluation() -> None:
    np.testing.assert_allclose(COCO_17.sigmas, Params("keypoints").kpt_oks_sigmas, atol=1e-7)


def test_sigmas_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        COCO_17.sigmas[0] = 1


def test_crowdpose_has_cocos_body_joints_with_their_sigmas_then_head_and_neck() -> None:
    assert CROWDPOSE_14.joints[:12] == COCO_17.joints[5:]
    np.testing.assert_array_equal(CROWDPOSE_14.sigmas[:12], COCO_17.sigmas[5:])
    assert CROWDPOSE_14.joints[12:] == ("head", "neck")
    np.testing.assert_allclose(CROWDPOSE_14.sigmas[12:], 0.079)


def test_a_skeleton_whose_parts_do_not_fit_is_refused() -> None:
    with pytest.raises(PoseError, match="2 joints"):
        Skeleton("odd", ("a", "b"), ((0, 2),), (), np.ones(2, np.float32))
