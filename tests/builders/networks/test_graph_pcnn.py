import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from builders.networks.graph_pcnn import (
    EDGES,
    GraphPcnn,
    GraphPoseRefinement,
    GroupLinear,
    GuidedPoints,
    mirror_points,
    peak_points,
    sample,
    sample_own,
    shortened,
)
from builders.networks.heatmap_decode import flip_average, peaks
from builders.networks.hrnet import HrNet
from builders.networks.simple_baseline import SimpleBaseline
from stream.skeleton import COCO_17
from tests.builders.networks.deformable_by_hand import corner_sample
from tests.builders.networks.random_weights import parameter_count, randomise

Array = NDArray[np.float64]
SWAP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def neighbours(joint: int) -> list[int]:
    pairs = [(a, b) for a, b in COCO_17.limbs] + [(b, a) for a, b in COCO_17.limbs]
    return [source for source, to in pairs if to == joint]


def test_there_is_a_map_for_each_joint_itself_and_both_ways_of_each_stick() -> None:
    assert len(EDGES) == len(set(EDGES)) == 55
    for joint in range(17):
        sources = [source for source, to in EDGES if to == joint]
        assert sorted(sources) == sorted([joint, *neighbours(joint)])


def test_sampling_is_bilinear_on_integer_cell_centres() -> None:
    maps = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    xy = torch.rand(2, 7, 2, dtype=torch.float64) * 6 - 1
    got = sample(maps, xy)
    for b, m in np.ndindex(2, 7):
        expected = corner_sample(maps[b].numpy(), xy[b, m, 1].item(), xy[b, m, 0].item())
        np.testing.assert_allclose(got[b, m].numpy(), expected, atol=1e-12)
    whole = torch.tensor([[[2.0, 3.0]], [[0.0, 1.0]]], dtype=torch.float64)
    torch.testing.assert_close(
        sample(maps, whole)[:, 0], torch.stack([maps[0, :, 3, 2], maps[1, :, 1, 0]])
    )


def test_own_samples_read_each_joints_own_map() -> None:
    heat = torch.randn(2, 17, 4, 5, dtype=torch.float64)
    xy = torch.rand(2, 3, 17, 2, dtype=torch.float64) * 3
    got = sample_own(heat, xy)
    for b, n, k in np.ndindex(2, 3, 17):
        x, y = xy[b, n, k].tolist()
        assert got[b, n, k].item() == pytest.approx(
            corner_sample(heat[b, k : k + 1].numpy(), y, x)[0]
        )


def mixed_by_hand(module: GraphPoseRefinement, f: Array, h: Array, reliable: Array) -> Array:
    C = f.shape[1]
    weight = module.transforms.weight.detach().numpy().reshape(55, C, C)
    assert module.transforms.bias is not None
    bias = module.transforms.bias.detach().numpy().reshape(55, C)
    out = np.zeros((17, C))
    for k in range(17):
        total = 0.0
        for source in [k, *neighbours(k)]:
            edge = EDGES.index((source, k))
            w = 1.0 if source == k else h[source] * reliable[source]
            out[k] += w * (weight[edge] @ f[source] + bias[edge])
            total += w
        out[k] /= total
    return out


def test_mixing_equals_the_papers_sum_joint_by_joint() -> None:
    module = GraphPoseRefinement(3, 5)
    randomise(module)
    f, h = torch.randn(4, 17, 3).double(), torch.rand(4, 17).double()
    reliable = (torch.rand(4, 17) > 0.5).double()
    got = module.mixed(f, h, reliable).detach().numpy()
    for m in range(4):
        np.testing.assert_allclose(
            got[m], mixed_by_hand(module, f[m].numpy(), h[m].numpy(), reliable[m].numpy())
        )


def test_an_unreliable_neighbourhood_leaves_a_linear_layer() -> None:
    module = GraphPoseRefinement(3, 5)
    randomise(module)
    f = torch.randn(1, 17, 3).double()
    got = module.mixed(f, torch.ones(1, 17).double(), torch.zeros(1, 17).double())
    own = module.transforms.weight.reshape(55, 3, 3)[:17]
    assert module.transforms.bias is not None
    expected = torch.einsum("kij,kj->ki", own, f[0]) + module.transforms.bias.reshape(55, 3)[:17]
    torch.testing.assert_close(got[0], expected)


def test_head_is_two_normed_layers_and_a_linear_one_per_joint() -> None:
    module = GraphPoseRefinement(3, 5)
    randomise(module)
    state = {key: value.numpy() for key, value in module.head.state_dict().items()}
    f = torch.randn(2, 17, 3).double()
    args = (torch.rand(2, 17).double(), torch.ones(2, 17).double())
    logits, offset = module(f, *args)
    x = module.mixed(f, *args).detach().numpy()
    for m, k in np.ndindex(2, 17):
        y = x[m, k]
        for layer, width in ((0, 5), (3, 5)):
            run = slice(k * width, (k + 1) * width)
            y = state[f"{layer}.weight"][run, :, 0] @ y + state[f"{layer}.bias"][run]
            norm = {
                name: state[f"{layer + 1}.{name}"][run]
                for name in ("running_mean", "running_var", "weight", "bias")
            }
            y = (y - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-5)
            y = np.maximum(y * norm["weight"] + norm["bias"], 0)
        out = state["6.weight"][4 * k : 4 * k + 4, :, 0] @ y + state["6.bias"][4 * k : 4 * k + 4]
        np.testing.assert_allclose(logits[m, k].detach().numpy(), out[:2])
        np.testing.assert_allclose(offset[m, k].detach().numpy(), out[2:])


@pytest.mark.parametrize(("base", "channels"), [("resnet", 256), ("hrnet", 32)])
def test_second_stage_is_a_copy_of_the_last_one_and_starts_with_its_weights(
    base: str, channels: int
) -> None:
    with torch.device("meta"):
        stage1 = SimpleBaseline(50) if base == "resnet" else HrNet(32)
        network = GraphPcnn(stage1)
    keys = {key.split(".")[1] for key in network.state_dict() if key.startswith("second.")}
    assert keys == ({"layer4", "deconv_layers"} if base == "resnet" else {"stage4"})
    assert stage1.feature_channels == channels
    copied = sum(value.numel() for value in network.second.parameters())
    c = channels
    head = 17 * (2 * (c * c + c + 2 * c) + 4 * c + 4)
    expected = parameter_count(stage1) + copied + 55 * (c * c + c) + head
    assert parameter_count(network) == expected


def test_copying_after_a_checkpoint_was_loaded_brings_its_weights() -> None:
    network = GraphPcnn(HrNet(4))
    randomise(network.stage1)  # type: ignore[arg-type]  # a module behind its protocol
    network.copy_last_stage()
    state = network.state_dict()
    own = [key for key in state if key.startswith("second.stage4.")]
    assert own
    for key in own:
        assert torch.equal(state[key], state[key.replace("second.", "stage1.", 1)])


def test_guided_points_of_the_test_are_quarter_offset_peaks_gated_by_their_heat() -> None:
    heat = torch.zeros(1, 17, 8, 8)
    heat[0, 3, 4, 4], heat[0, 3, 4, 5] = 1.0, 0.9
    heat[0, 4, 4, 4] = 0.9
    points, value = peak_points(heat)
    assert points.xy[0, 0, 3].tolist() == [4.25, 4.0]
    assert value[0, 3].item() == 1.0
    assert points.heat[0, 0, 3].item() == pytest.approx(0.975)
    assert points.reliable[0, 0, 3].item() == 1
    assert points.reliable[0, 0, 4].item() == 1
    heat[0, 4, 4, 4] = 0.85
    assert peak_points(heat)[0].reliable[0, 0, 4].item() == 0


def test_forward_adds_the_offset_and_keeps_the_first_stages_heat() -> None:
    network = GraphPcnn(HrNet(4))
    randomise(network)
    pixels = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        heat, features = network.maps(pixels)
        xy, value = peaks(heat)
        torch.testing.assert_close(heat, network.stage1(pixels))  # type: ignore[operator]
        own = sample_own(heat, xy[:, None])
        sampled = sample(features, xy)
        _, offset = network.refinement(sampled, own[:, 0], (own[:, 0] > 0.85).double())
        got, scores = network(pixels)
    torch.testing.assert_close(got, xy + offset)
    torch.testing.assert_close(scores, value)


def test_mirror_points_are_those_of_crop_pixels() -> None:
    xy = torch.rand(1, 1, 17, 2, dtype=torch.float64) * 40
    heat = torch.rand(1, 1, 17, dtype=torch.float64)
    got = mirror_points(GuidedPoints(xy, heat, heat), 48)
    for joint in range(17):
        x, y = xy[0, 0, SWAP[joint]].tolist()
        crop = 192 - 1 - 4 * x
        assert got.xy[0, 0, joint].tolist() == pytest.approx([crop / 4, y])
        assert got.heat[0, 0, joint] == heat[0, 0, SWAP[joint]]


def test_flip_test_averages_maps_then_offsets() -> None:
    network = GraphPcnn(HrNet(4))
    randomise(network)
    pixels = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        heat, features = network.maps(pixels)
        heat_of_mirror, other = network.maps(pixels.flip(3))
        points, value = peak_points(flip_average(heat, heat_of_mirror))
        straight = network.refine(features, points).offset[0, 0].numpy()
        back = network.refine(other, mirror_points(points, 16)).offset[0, 0].numpy()
        got, scores = network.flip_forward(pixels)
    for joint in range(17):
        mirrored = back[SWAP[joint]] * [-1, 1]
        expected = points.xy[0, 0, joint].numpy() + (straight[joint] + mirrored) / 2
        np.testing.assert_allclose(got[0, joint].numpy(), expected)
    torch.testing.assert_close(scores, value)


def test_group_by_group_equals_the_grouped_convolution() -> None:
    layer = GroupLinear(5, 3, 4).double()
    x = torch.randn(7, 15, 1, dtype=torch.float64)
    torch.testing.assert_close(layer.train()(x), layer.eval()(x))
    assert layer.weight.shape == (20, 3, 1)


def test_shortened_offsets_are_a_share_and_the_classes_stay() -> None:
    torch.manual_seed(0)
    network = GraphPcnn(HrNet(4), 4).eval()
    features, points = torch.rand(1, 4, 8, 6), peak_points(torch.rand(1, 17, 8, 6))[0]
    with torch.no_grad():
        whole = network.refine(features, points)
        half = shortened(network, 0.5).refine(features, points)
    torch.testing.assert_close(half.offset, whole.offset / 2)
    torch.testing.assert_close(half.logits, whole.logits)
