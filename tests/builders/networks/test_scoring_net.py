import numpy as np
import pytest
import torch

from builders.networks.scoring_net import (
    LINKS,
    ScoringGraph,
    ScoringNet,
    calibrated,
    pose_features,
    rescored,
    scoring_loss,
    scoring_targets,
)
from tests.builders.networks.random_weights import parameter_count

STICKS = "0-1 0-2 1-2 1-3 2-4 3-5 4-6 5-6 5-7 5-11 6-8 6-12 7-9 8-10 11-12 11-13 12-14 13-15 14-16"


def test_has_the_published_number_of_parameters_and_keys() -> None:
    network = ScoringNet()
    assert parameter_count(network) == 85_249
    assert set(network.state_dict()) == {
        f"l{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")
    }


def test_links_are_those_of_the_released_code() -> None:
    assert [f"{a}-{b}" for a, b in LINKS] == STICKS.split()


def test_features_equal_a_worked_example() -> None:
    random = np.random.default_rng(1)
    pose = random.uniform(0, 200, (17, 3))
    pose[:, 2] = random.uniform(0, 1, 17)
    sticks, lengths = [], []
    for text in STICKS.split():
        first, second = (int(joint) for joint in text.split("-"))
        dx, dy = pose[first, 0] - pose[second, 0], pose[first, 1] - pose[second, 1]
        sticks += [dx, dy]
        lengths.append(np.hypot(dx, dy))
    torso = (np.hypot(*(pose[5, :2] - pose[11, :2])) + np.hypot(*(pose[6, :2] - pose[12, :2]))) / 2
    expected = np.concatenate([np.array(sticks) / torso, np.array(lengths) / torso, pose[:, 2]])
    got = pose_features(torch.from_numpy(pose)[None])[0].numpy()
    np.testing.assert_allclose(got, expected)


def test_a_torso_below_one_pixel_counts_as_one() -> None:
    pose = torch.zeros(1, 17, 3, dtype=torch.float64)
    pose[0, 0, 0] = 8.0  # only the nose is away
    features = pose_features(pose)[0]
    assert features[0].item() == 8.0
    assert features[38].item() == 8.0


def test_output_has_no_sigmoid() -> None:
    network = ScoringNet()
    with torch.no_grad():
        network.l3.bias.fill_(7.0)
        network.l3.weight.zero_()
    assert network(torch.zeros(2, 74)).tolist() == [7.0, 7.0]


def test_final_score_is_the_output_times_the_old_score_and_nan_is_zero() -> None:
    network = ScoringNet().double()
    poses = torch.rand(2, 17, 3, dtype=torch.float64) * 50
    poses[1, 3, 0] = float("nan")
    scores = torch.tensor([0.5, 0.9], dtype=torch.float64)
    got = rescored(network, poses, scores)
    expected = network(pose_features(poses[:1]))[0] * 0.5
    assert got[0].item() == pytest.approx(expected.item())
    assert got[1].item() == 0


def test_a_calibrated_score_is_kept_at_the_usual_oks_and_moves_with_the_predicted_one() -> None:
    scores = torch.tensor([0.0, 0.1, 0.3, 0.9, 1.0], dtype=torch.float64)
    kept = calibrated(torch.full((5,), 0.5), scores, 0.5)
    assert kept.tolist() == pytest.approx(scores.tolist(), abs=2e-4)
    better = calibrated(torch.full((5,), 0.9), scores, 0.5)
    worse = calibrated(torch.full((5,), 0.2), scores, 0.5)
    assert (better[1:4] > scores[1:4]).all()
    assert (worse[1:4] < scores[1:4]).all()
    assert better[1].item() == pytest.approx(0.1 * 0.9 / 0.5, rel=0.06)  # weak ones as the product
    assert better.max() < 1
    nobody = calibrated(torch.tensor([-0.3, float("nan")]), torch.tensor([0.7, 0.7]), 0.5)
    assert nobody.tolist() == [0, 0]


def test_the_graph_multiplies_as_the_paper_unless_it_is_calibrated() -> None:
    network = ScoringNet()
    poses, scores = torch.rand(3, 17, 3) * 50, torch.tensor([0.2, 0.5, 0.8])
    predicted = network(pose_features(poses))
    assert ScoringGraph(network)(poses, scores).tolist() == (predicted * scores).tolist()
    ours = ScoringGraph(network, 0.4)(poses, scores)
    assert ours.tolist() == calibrated(predicted, scores, 0.4).tolist()


def test_labels_of_exactly_one_are_read_as_zero() -> None:
    oks = torch.tensor([1.0, 0.7, 0.0])
    assert scoring_targets(oks).tolist() == pytest.approx([0.0, 0.7, 0.0])
    assert scoring_loss(torch.tensor([0.5, 0.7, 0.5]), oks).item() == pytest.approx(0.5 / 3)
