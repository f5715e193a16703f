from pathlib import Path

import numpy as np

from tests.bench.true_tracks import Seen, box_of
from tests.bench.who_is_who import read_truth, write_truth


def seen(frame: int, left: float) -> Seen:
    keypoints = np.full((17, 3), 0.57, np.float32)
    keypoints[:, :2] = np.arange(34).reshape(17, 2) + np.float32(left)
    return Seen(frame, keypoints, box_of(keypoints))


def test_what_is_written_is_read_to_a_twentieth_of_a_pixel(tmp_path: Path) -> None:
    truth = {"street": {0: [seen(3, 100.25), seen(4, 101.0)], 7: [seen(3, -20.5)]}, "empty": {}}
    write_truth(truth, tmp_path / "truth.npz")
    found = read_truth(tmp_path / "truth.npz")
    assert found["empty"] == {}
    assert {who: [one.frame for one in people] for who, people in found["street"].items()} == {
        0: [3, 4],
        7: [3],
    }
    for who, people in truth["street"].items():
        for one, other in zip(people, found["street"][who], strict=True):
            np.testing.assert_allclose(other.keypoints, one.keypoints, atol=0.051)
            np.testing.assert_allclose(other.box, one.box, atol=0.051)


def test_the_file_beside_the_benchmark_holds_the_people_told_apart_by_eye() -> None:
    counts = {clip: sum(map(len, people.values())) for clip, people in read_truth().items()}
    assert counts.pop("street_static_vtest_h264") == 3580
    assert len(counts) == 4
    assert all(counts.values())
