import pytest
import torch

from builders.networks.hrnet import HrNet, HrNetTrunk, concatenated
from tests.builders.networks.hrnet_by_key import hrnet_branches
from tests.builders.networks.random_weights import conv, parameter_count, randomise


@pytest.mark.parametrize(("width", "expected"), [(32, 28_536_113), (48, 63_595_745)])
def test_top_down_has_the_published_number_of_parameters(width: int, expected: int) -> None:
    with torch.device("meta"):
        network = HrNet(width)
    assert parameter_count(network) == expected


def test_top_down_w32_has_the_published_number_of_state_entries() -> None:
    with torch.device("meta"):
        state = HrNet(32).state_dict()
    assert len(state) == 1754


def test_published_key_names_and_shapes() -> None:
    with torch.device("meta"):
        state = HrNet(32).state_dict()
    expected = {
        "conv1.weight": (64, 3, 3, 3),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.0.downsample.1.running_var": (256,),
        "transition1.0.0.weight": (32, 256, 3, 3),
        "transition1.0.1.weight": (32,),
        "transition1.1.0.0.weight": (64, 256, 3, 3),
        "transition2.2.0.0.weight": (128, 64, 3, 3),
        "transition3.3.0.1.bias": (256,),
        "stage2.0.fuse_layers.0.1.0.weight": (32, 64, 1, 1),
        "stage3.3.branches.2.3.bn2.weight": (128,),
        "stage4.1.fuse_layers.3.0.0.0.weight": (32, 32, 3, 3),
        "stage4.1.fuse_layers.3.0.2.0.weight": (256, 32, 3, 3),
        "stage4.2.fuse_layers.0.3.0.weight": (32, 256, 1, 1),
        "final_layer.weight": (17, 32, 1, 1),
        "final_layer.bias": (17,),
    }
    assert {key: tuple(state[key].shape) for key in expected} == expected


def test_only_the_finest_branch_leaves_the_top_down_network() -> None:
    with torch.device("meta"):
        top_down, trunk = HrNet(32).state_dict(), HrNetTrunk(32).state_dict()
    assert not [key for key in top_down if key.startswith("stage4.2.fuse_layers.1")]
    assert [key for key in trunk if key.startswith("stage4.2.fuse_layers.3")]


def test_no_convolution_before_a_batch_norm_has_a_bias() -> None:
    with torch.device("meta"):
        network = HrNet(32)
    biased = [
        name
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None
    ]
    assert biased == ["final_layer"]


def test_batch_norms_use_the_papers_eps_and_momentum() -> None:
    with torch.device("meta"):
        modules = list(HrNet(32).modules())
    norms = [module for module in modules if isinstance(module, torch.nn.BatchNorm2d)]
    assert {(module.eps, module.momentum) for module in norms} == {(1e-5, 0.1)}


def test_top_down_forward_equals_the_layers_written_by_key() -> None:
    network = HrNet(4)
    randomise(network)
    pixels = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        expected = conv(
            network.state_dict(), "final_layer", hrnet_branches(network.state_dict(), pixels, 1)[0]
        )
        got = network(pixels)
    assert got.shape == (2, 17, 16, 24)
    torch.testing.assert_close(got, expected)


def test_four_branches_equal_the_layers_written_by_key() -> None:
    trunk = HrNetTrunk(4)
    randomise(trunk)
    pixels = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(
            trunk.branches(pixels), hrnet_branches(trunk.state_dict(), pixels, 4)
        )


def test_concatenation_scales_coarse_branches_by_edges_not_corners() -> None:
    fine = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    coarse = torch.tensor([[[[0.0, 4.0], [0.0, 4.0]]]], dtype=torch.float64)
    got = concatenated([fine, coarse])
    assert got[0, 1, 0].tolist() == [0.0, 1.0, 3.0, 4.0]  # align_corners would give 0, 4/3, 8/3, 4


def test_copied_last_stage_starts_equal_and_is_independent() -> None:
    network = HrNet(4)
    randomise(network)
    shared = network.shared(torch.randn(1, 3, 64, 64, dtype=torch.float64))
    copied = network.copy_of_last_stage()
    torch.testing.assert_close(copied(shared), network.features(shared))
    with torch.no_grad():
        next(copied.parameters()).zero_()
    assert not torch.equal(copied(shared), network.features(shared))
    assert {key.split(".")[0] for key in copied.state_dict()} == {"stage4"}


def test_starts_from_small_normal_weights() -> None:
    torch.manual_seed(0)
    network = HrNet(4)
    assert network.conv2.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert network.final_layer.bias is not None
    assert network.final_layer.bias.abs().max().item() == 0
