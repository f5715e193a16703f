import json
from pathlib import Path

import numpy as np

from stream.sinks.jsonl_sink import JsonlSink
from tests.bench.result_people import people_of_results, recall_of_results
from tests.results import result_of, standing_person


def written(folder: Path) -> Path:
    """Two frames with a person, one without."""
    sink = JsonlSink(folder / "clip.jsonl")
    for index in (0, 1):
        sink.publish(result_of(index, standing_person()))
    sink.close()
    return folder / "clip.jsonl"


def test_people_come_back_frame_by_frame(tmp_path: Path) -> None:
    found = people_of_results(written(tmp_path))
    expected = [pose.pose.keypoints_px for pose in (standing_person(),)]
    assert found.keys() == {0, 1}
    keypoints, scores = found[1]
    assert np.allclose(keypoints[..., :2], np.array(expected), atol=0.01)
    assert len(scores) == len(expected) > 0


def test_a_run_is_scored_against_the_teacher(tmp_path: Path) -> None:
    results = written(tmp_path)
    keypoints, _ = people_of_results(results)[0]
    person = keypoints[0]
    left, top = person[:, :2].min(0)
    width, height = np.ptp(person[:, :2], axis=0)
    box = [float(value) for value in (left, top, width, height)]
    joints = [[float(x), float(y), 0.9] for x, y, _ in person]
    frames = [
        {"frame": 0, "persons": [{"bbox": box, "score": 0.9, "keypoints": joints}]},
        {"frame": 1, "persons": []},
    ]
    teacher = tmp_path / "teacher.json"
    teacher.write_text(json.dumps({"video": "clip.mp4", "frames": frames}))

    recall = recall_of_results(results, teacher, frozenset())
    assert (recall.people, recall.found) == (1, 1)
    assert (recall.empty_frames, recall.false_frames) == (1, 1)
    assert recall_of_results(results, teacher, frozenset({1})).empty_frames == 0
