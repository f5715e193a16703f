"""Translated weights compute what the published code computes with them."""

import torch
from torch import Tensor
from torch.nn import functional

from builders.importing.checkpoint_file import State
from builders.importing.key_formats import (
    MMPOSE_LINKS,
    mmpose_dekr,
    mmpose_scoring_net,
    tensorflow_posefix,
)
from builders.networks.dekr import Dekr
from builders.networks.scoring_net import ScoringNet, pose_features
from tests.builders.importing.published_keys import Shapes, scoring_net
from tests.builders.importing.published_keys import mmpose_dekr as mmpose_dekr_keys
from tests.builders.networks.deformable_by_hand import deformable_tensor
from tests.builders.networks.hrnet_by_key import hrnet_branches
from tests.builders.networks.random_weights import basic_block, conv, norm
from tests.builders.networks.test_hgg import concatenation


def random_state(shapes: Shapes, seed: int = 0) -> State:
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for key, shape in shapes.items():
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
        elif key.endswith("running_var"):
            state[key] = 1 + noise.abs()
        else:
            state[key] = noise * (0.5 if len(shape) < 2 else noise[0].numel() ** -0.5)
    return state


REGULAR = torch.tensor(
    [[-1, -1, -1, 0, 0, 0, 1, 1, 1], [-1, 0, 1, -1, 0, 1, -1, 0, 1], [1] * 9], dtype=torch.float64
)


def adaptive_by_mmpose(state: State, key: str, x: Tensor) -> Tensor:
    """MMPose's block: rows of [T - I | t] times (y; x; 1), all 17 joints in groups."""
    B, _, H, W = x.shape
    weight = state[f"{key}.transform_matrix_conv.weight"]
    bias = state[f"{key}.transform_matrix_conv.bias"]
    affine = functional.conv2d(x, weight, bias, padding=1, groups=17)
    affine = affine.permute(0, 2, 3, 1).reshape(B, H, W, 17, 2, 3)
    offset = (affine @ REGULAR).transpose(4, 5).reshape(B, H, W, 17 * 18).permute(0, 3, 1, 2)
    parts = [
        deformable_tensor(
            x[:, 15 * joint : 15 * joint + 15],
            offset[:, 18 * joint : 18 * joint + 18],
            state[f"{key}.adapt_conv.weight"][15 * joint : 15 * joint + 15],
        )
        for joint in range(17)
    ]
    return (norm(state, f"{key}.norm", torch.cat(parts, 1)) + x).relu()


def dekr_by_mmpose(state: State, pixels: Tensor) -> tuple[Tensor, Tensor]:
    trunk = {
        key.removeprefix("backbone."): value
        for key, value in state.items()
        if key.startswith("backbone.")
    }
    features = concatenation(hrnet_branches(trunk, pixels, 4))
    heat, move = "head.heatmap_conv_layers", "head.displacement_conv_layers"
    x = norm(state, f"{heat}.0.bn", conv(state, f"{heat}.0.conv", features)).relu()
    maps = conv(state, f"{heat}.2", basic_block(state, f"{heat}.1", x))
    x = norm(state, f"{move}.0.bn", conv(state, f"{move}.0.conv", features)).relu()
    for block in (1, 2):
        x = adaptive_by_mmpose(state, f"{move}.{block}", x)
    last = functional.conv2d(x, state[f"{move}.3.weight"], state[f"{move}.3.bias"], groups=17)
    return maps, last


def test_mmposes_dekr_gives_its_heat_and_its_displacements_with_the_sign_turned() -> None:
    state = random_state(mmpose_dekr_keys(2))
    translated = mmpose_dekr(state)
    network = Dekr(2).double().eval()
    missing, unexpected = network.load_state_dict(translated.state, strict=False)
    assert all(key.endswith("regular_matrix") for key in missing)
    assert unexpected == []
    pixels = torch.randn(1, 3, 32, 64, dtype=torch.float64)
    with torch.no_grad():
        heat, displacement = dekr_by_mmpose(state, pixels)
        got = network(pixels)
    torch.testing.assert_close(got.heat[0], heat)
    torch.testing.assert_close(got.offset, -displacement)
    assert "scoring_net_mmpose" in translated.notes[-1]


MMPOSE_LINK_NAMES = """left_ankle-left_knee left_knee-left_hip right_ankle-right_knee
 right_knee-right_hip left_hip-right_hip left_shoulder-left_hip right_shoulder-right_hip
 left_shoulder-right_shoulder left_shoulder-left_elbow right_shoulder-right_elbow
 left_elbow-left_wrist right_elbow-right_wrist left_eye-right_eye nose-left_eye nose-right_eye
 left_eye-left_ear right_eye-right_ear left_ear-left_shoulder right_ear-right_shoulder"""
JOINT_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip


def score_by_mmpose(state: State, poses: Tensor) -> Tensor:
    """MMPose's `RescoreNet`, its torso being its links 5 and 6."""
    pairs = [text.split("-") for text in MMPOSE_LINK_NAMES.split()]
    first, second = ([JOINT_NAMES.index(pair[end]) for pair in pairs] for end in (0, 1))
    sticks = poses[:, first, :2] - poses[:, second, :2]
    lengths = sticks.norm(dim=2)
    torso = ((lengths[:, 5] + lengths[:, 6]) / 2)[:, None].clamp(min=1)
    features = [(sticks / torso[..., None]).flatten(1), lengths / torso, poses[..., 2]]
    x = torch.cat(features, 1)
    for layer in (1, 2, 3):
        x = functional.linear(x, state[f"l{layer}.weight"], state[f"l{layer}.bias"])
        x = x.relu() if layer < 3 else x
    return x[:, 0]


def test_mmposes_scoring_net_gives_its_scores_though_its_sticks_are_in_another_order() -> None:
    state = random_state(scoring_net())
    network = ScoringNet().double()
    network.load_state_dict(mmpose_scoring_net(state).state)
    poses = torch.rand(5, 17, 3, dtype=torch.float64) * torch.tensor([200.0, 200.0, 1.0])
    torch.testing.assert_close(network(pose_features(poses)), score_by_mmpose(state, poses))


def test_mmposes_scoring_net_is_found_inside_its_dekr() -> None:
    state = random_state(mmpose_dekr_keys(2))
    alone = {
        key.removeprefix("head.rescore_net."): value
        for key, value in state.items()
        if "rescore_net" in key
    }
    inside, outside = mmpose_scoring_net(state), mmpose_scoring_net(alone)
    assert inside.state.keys() == outside.state.keys() == scoring_net().keys()
    for key, value in outside.state.items():
        assert torch.equal(inside.state[key], value)


def test_mmposes_links_are_named_once_each() -> None:
    assert len({frozenset(link) for link in MMPOSE_LINKS}) == 19


def test_tensorflows_convolutions_are_turned_and_transposed_ones_are_not_flipped() -> None:
    random = torch.Generator().manual_seed(0)
    plain = torch.randn(3, 3, 5, 2, generator=random)  # height, width, in, out
    up = torch.randn(4, 4, 6, 3, generator=random)  # height, width, out, in
    block = "resnet_v1_101/block3/unit_23/bottleneck_v1/conv2"
    moved = tensorflow_posefix({f"{block}/weights": plain, "up2/weights": up}).state
    assert moved["layer3.22.conv2.weight"][1, 4, 2, 0] == plain[2, 0, 4, 1]
    assert moved["deconv_layers.3.weight"][2, 5, 3, 1] == up[3, 1, 5, 2]
    x = torch.randn(1, 3, 2, 2, generator=random)
    got = functional.conv_transpose2d(x, moved["deconv_layers.3.weight"], stride=2, padding=1)
    torch.testing.assert_close(got, transposed_by_hand(x, up))


def transposed_by_hand(x: Tensor, kernel: Tensor) -> Tensor:
    """SAME, stride 2: input cell i adds its kernel from output cell 2 i - 1 on."""
    H, W = x.shape[2:]
    out = torch.zeros(1, kernel.shape[2], 2 * H, 2 * W)
    for row in range(H):
        for column in range(W):
            for dy in range(4):
                for dx in range(4):
                    y, z = 2 * row - 1 + dy, 2 * column - 1 + dx
                    if 0 <= y < 2 * H and 0 <= z < 2 * W:
                        out[0, :, y, z] += kernel[dy, dx] @ x[0, :, row, column]
    return out


def test_names_that_tensorflow_has_and_we_do_not_stay_as_they_are() -> None:
    """So that the strict load names them."""
    state = {"resnet_v1_50/logits/weights": torch.zeros(1, 1, 2, 3)}
    assert list(tensorflow_posefix(state).state) == ["resnet_v1_50/logits/weights"]
