import torch
from torch import Tensor
from torch.nn import functional

from builders.networks.hrnet import branch_channels
from builders.networks.pyramids import Hrfpn, Pafpn
from tests.builders.networks.random_weights import conv, randomise


def test_pafpn_equals_the_layers_written_by_key_with_relu_after_each() -> None:
    neck = Pafpn((8, 12, 16))
    randomise(neck)
    state = neck.state_dict()

    def step(key: str, x: Tensor, stride: int = 1) -> Tensor:
        padding = state[f"{key}.conv.weight"].shape[-1] // 2
        return conv(state, f"{key}.conv", x, stride, padding).relu()

    c3, c4, c5 = (
        torch.randn(1, channels, 32 // size, 64 // size, dtype=torch.float64)
        for channels, size in ((8, 2), (12, 4), (16, 8))
    )
    laterals = [step(f"lateral_convs.{i}", x) for i, x in enumerate((c3, c4, c5))]
    laterals[1] = laterals[1] + functional.interpolate(laterals[2], scale_factor=2)
    laterals[0] = laterals[0] + functional.interpolate(laterals[1], scale_factor=2)
    inner = [step(f"fpn_convs.{i}", x) for i, x in enumerate(laterals)]
    inner[1] = inner[1] + step("downsample_convs.0", inner[0], 2)
    inner[2] = inner[2] + step("downsample_convs.1", inner[1], 2)
    p4, p5 = step("pafpn_convs.0", inner[1]), step("pafpn_convs.1", inner[2])
    p6 = step("fpn_convs.3", p5, 2)
    p7 = step("fpn_convs.4", p6.relu(), 2)
    got = neck([torch.zeros(1), c3, c4, c5])
    torch.testing.assert_close(got, [inner[0], p4, p5, p6, p7])
    assert got[0].shape == (1, 256, 16, 32)


def test_hrfpn_pools_the_reduced_concatenation_and_halves_each_level() -> None:
    neck = Hrfpn(sum(branch_channels(2)))
    randomise(neck)
    state = neck.state_dict()
    branches = [
        torch.randn(1, channels, 64 // 2**i, 32 // 2**i, dtype=torch.float64)
        for i, channels in enumerate(branch_channels(2))
    ]
    coarse = [functional.interpolate(x, (64, 32), mode="bilinear") for x in branches[1:]]
    x = conv(state, "reduction_conv.conv", torch.cat([branches[0], *coarse], 1))
    expected = [
        conv(state, f"fpn_convs.{i}.conv", functional.avg_pool2d(x, 2**i), 2, 1) for i in range(5)
    ]
    got = neck(branches)
    torch.testing.assert_close(got, expected)
    assert min(level.min().item() for level in got) < 0  # no activation
    assert [level.shape[-2] for level in got] == [32, 16, 8, 4, 2]
