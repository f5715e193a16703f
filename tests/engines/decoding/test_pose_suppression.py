import numpy as np
import pytest

from engines.decoding.pose_suppression import oks_nms, pose_similarities, soft_oks_nms


def test_similarity_equals_a_worked_example() -> None:
    random = np.random.default_rng(0)
    poses, areas = random.uniform(0, 50, (3, 17, 2)), np.array([900.0, 1600.0, 2500.0])
    sigmas = [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
    got = pose_similarities(poses, areas)
    for i in range(3):
        for j in range(3):
            terms = []
            for joint in range(17):
                distance = ((poses[i, joint] - poses[j, joint]) ** 2).sum()
                k = 2 * sigmas[joint] / 1000
                terms.append(np.exp(-distance / k**2 / ((areas[i] + areas[j]) / 2) / 2))
            assert got[i, j] == pytest.approx(np.mean(terms))


def test_the_best_of_alike_people_stays_and_the_threshold_itself_is_kept() -> None:
    similarity = np.array([[1, 0.95, 0.9], [0.95, 1, 0.1], [0.9, 0.1, 1]])
    assert oks_nms(similarity, np.array([0.5, 0.4, 0.3])).tolist() == [0, 2]
    assert oks_nms(similarity, np.array([0.5, 0.6, 0.3])).tolist() == [1, 2]


def test_suppressed_people_suppress_nobody() -> None:
    similarity = np.array([[1, 0.95, 0.5], [0.95, 1, 0.95], [0.5, 0.95, 1]])
    assert oks_nms(similarity, np.array([0.9, 0.8, 0.7])).tolist() == [0, 2]


def test_no_people_in_none_out() -> None:
    none = np.zeros((0, 17, 2))
    similarity = pose_similarities(none, np.zeros(0))
    assert oks_nms(similarity, np.zeros(0)).tolist() == []
    assert soft_oks_nms(similarity, np.zeros(0))[0].tolist() == []


def test_soft_form_lowers_scores_by_a_gaussian_and_keeps_twenty() -> None:
    similarity = np.array([[1, 0.9, 0.0], [0.9, 1, 0.0], [0.0, 0.0, 1]])
    kept, scores = soft_oks_nms(similarity, np.array([0.9, 0.8, 0.5]))
    assert kept.tolist() == [0, 2, 1]
    assert scores.tolist() == pytest.approx([0.9, 0.5, 0.8 * np.exp(-0.81 / 0.9)])
    assert len(soft_oks_nms(np.eye(30), np.linspace(0, 1, 30))[0]) == 20
