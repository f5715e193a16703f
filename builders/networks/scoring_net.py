"""HGG's scoring net: predicts the OKS of a pose from its shape and its heat.

Source: released code, `predictOKS`; checkpoints `final_rescore_coco_kpt.pth`, also DEKR's.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

LINKS = (
    (0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6), (5, 7), (5, 11), (6, 8),
    (6, 12), (7, 9), (8, 10), (11, 12), (11, 13), (12, 14), (13, 15), (14, 16),
)  # fmt: skip
"""Sticks whose shape the net sees, in its order: first joint minus second."""

TORSO_LINKS = (9, 11)
"""Shoulder to hip, left and right: their mean length is the unit."""

FEATURES = 74
LEAST_DOUBT = 1e-4
"""A score of 1 would stay 1 whatever the pose looks like."""


def pose_features(poses: Tensor) -> Tensor:
    """What the net sees of a pose.

    Args:
        poses: (N, 17, 3): x, y in picture pixels and the joint's value.

    Returns:
        (N, 74): 19 sticks' (dx, dy) interleaved, 19 lengths, both in torso lengths (a torso shorter
        than 1 px counts as 1), then the 17 values.
    """
    first, second = (list(ends) for ends in zip(*LINKS, strict=True))
    sticks = poses[:, first, :2] - poses[:, second, :2]
    lengths = sticks.square().sum(-1).sqrt()
    torso = lengths[:, TORSO_LINKS].mean(-1).clamp(min=1)
    sticks = sticks / torso[:, None, None]
    return torch.cat((sticks.flatten(1), lengths / torso[:, None], poses[:, :, 2]), 1)


class ScoringNet(nn.Module):
    """Three linear layers; keys `l1 l2 l3`; no sigmoid at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Linear(FEATURES, 256)
        self.l2 = nn.Linear(256, 256)
        self.l3 = nn.Linear(256, 1)
        for layer in (self.l1, self.l2, self.l3):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(N, 74) to predicted OKS (N,)."""
        x = functional.relu(self.l1(features))
        oks: Tensor = self.l3(functional.relu(self.l2(x)))[:, 0]
        return oks


def rescored(network: ScoringNet, poses: Tensor, scores: Tensor) -> Tensor:
    """Predicted OKS times the old score (the paper reads as if alone; FOLLOWS the code); NaN is 0.

    Args:
        network: trained.
        poses: (N, 17, 3) in picture pixels.
        scores: (N,) of the decode.
    """
    predicted: Tensor = network(pose_features(poses))
    return predicted.nan_to_num(nan=0.0) * scores


def scoring_targets(oks: Tensor) -> Tensor:
    """(N,) OKS with the best truth as labels; exactly 1 reads as 0, as in the released code."""
    return torch.where(oks == 1, torch.zeros_like(oks), oks)


def scoring_loss(predicted: Tensor, oks: Tensor) -> Tensor:
    """Mean squared error of (N,) predictions against the labels."""
    return functional.mse_loss(predicted, scoring_targets(oks))


def calibrated(predicted: Tensor, scores: Tensor, usual_oks: float) -> Tensor:
    """New scores (N,) of the same meaning as the old ones; ours, where the paper multiplies.

    A weak score is multiplied by predicted over usual OKS, a strong one stays below 1: it is the
    chance to be right at least once in so many tries. Who has the usual OKS keeps his score, so
    thresholds of the model that found the poses keep their meaning.

    Args:
        predicted: (N,) OKS; below 0 and NaN are 0.
        scores: (N,) in [0, 1].
        usual_oks: of poses about which a model is in doubt.
    """
    tries = predicted.nan_to_num(nan=0.0).clamp(min=0) / usual_oks
    return 1 - (1 - scores).clamp(min=LEAST_DOUBT) ** tries


class ScoringGraph(nn.Module):
    """The exported net: poses (N, 17, 3) in picture pixels and scores (N,) to new scores (N,).

    Args:
        network: trained.
        usual_oks: see `calibrated`; None for the paper's product.
    """

    def __init__(self, network: ScoringNet, usual_oks: float | None = None) -> None:
        super().__init__()
        self.network, self.usual_oks = network, usual_oks

    def forward(self, poses: Tensor, scores: Tensor) -> Tensor:
        """See `rescored` and `calibrated`."""
        if self.usual_oks is None:
            return rescored(self.network, poses, scores)
        return calibrated(self.network(pose_features(poses)), scores, self.usual_oks)
