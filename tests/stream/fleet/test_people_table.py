import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import PoseError
from stream.fleet.people_table import from_table, to_table
from stream.pose import FramePoses, Pose

COUNTS = st.lists(st.integers(0, 4), max_size=5)


def frames(counts: list[int], joints: int) -> list[FramePoses]:
    random = np.random.default_rng(1)

    def person() -> Pose:
        points = random.normal(100, 50, (joints, 2)).astype(np.float32)
        confidence = random.random(joints).astype(np.float32)
        return Pose(points, confidence, float(np.float32(random.random())))

    return [
        FramePoses("s", 0, index, tuple(person() for _ in range(count)))
        for index, count in enumerate(counts)
    ]


@given(COUNTS, st.sampled_from([14, 17]))
def test_people_come_out_as_they_went_in(counts: list[int], joints: int) -> None:
    found = frames(counts, joints)
    read = from_table(*to_table(found))
    assert [len(people) for people in read] == counts
    for people, frame in zip(read, found, strict=True):
        for mine, theirs in zip(people, frame.poses, strict=True):
            assert np.array_equal(mine.keypoints_px, theirs.keypoints_px)
            assert np.array_equal(mine.confidence, theirs.confidence)
            assert mine.score == pytest.approx(theirs.score, abs=1e-7)


def test_a_table_of_another_size_or_without_sense_is_refused() -> None:
    content, people, joints = to_table(frames([2], 17))
    with pytest.raises(PoseError, match="are not 2 people"):
        from_table(content[:-4], people, joints)
    with pytest.raises(PoseError, match="finite"):
        from_table(b"\xff" * len(content), people, joints)
