"""What a skeleton is made of: names, limbs, mirror pairs and OKS sigmas."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream.errors import PoseError


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """The joints of one labelling convention, J of them, in their order in every array."""

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    """Pairs of joints that are drawn as sticks and linked in pose graphs."""
    mirror_pairs: tuple[tuple[int, int], ...]
    """(left, right) joints that change places when the picture is flipped."""
    sigmas: NDArray[np.float32] = field(repr=False)
    """(J,) per-joint constants of OKS, in units of the square root of the person's area."""

    def __post_init__(self) -> None:
        """Checks that all indices name a joint and that sigmas fit."""
        count = len(self.joints)
        indices = [index for pair in self.limbs + self.mirror_pairs for index in pair]
        if self.sigmas.shape != (count,) or not all(0 <= index < count for index in indices):
            raise PoseError(
                f"skeleton {self.name}: {count} joints, sigmas {self.sigmas.shape}, "
                f"indices up to {max(indices, default=0)}"
            )
        self.sigmas.flags.writeable = False

    def flip_order(self) -> NDArray[np.intp]:
        """(J,) index of each joint's mirror image; joints in no pair stay."""
        order = np.arange(len(self.joints))
        for left, right in self.mirror_pairs:
            order[left], order[right] = right, left
        return order


COCO_17 = Skeleton(
    name="coco_17",
    joints=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
        "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
        "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    limbs=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
        (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
    mirror_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    sigmas=np.array(
        [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89], np.float32
    )
    / np.float32(1000),
)  # fmt: skip
"""The 17 COCO keypoints with the sigmas and the 19 sticks of the COCO keypoint evaluation."""

CROWDPOSE_14 = Skeleton(
    name="crowdpose_14",
    joints=(
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
        "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
        "head", "neck",
    ),
    limbs=(
        (10, 8), (8, 6), (11, 9), (9, 7), (6, 7), (0, 6), (1, 7), (0, 1), (0, 2), (1, 3), (2, 4),
        (3, 5), (12, 13), (1, 13), (0, 13),
    ),
    mirror_pairs=((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)),
    sigmas=np.array([79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89, 79, 79], np.float32)
    / np.float32(1000),
)  # fmt: skip
"""CrowdPose (Li et al., CVPR 2019): joints and sigmas of its evaluation (Jeff-sjtu/CrowdPose)."""

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO_17, CROWDPOSE_14)}
