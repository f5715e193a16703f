import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from stream.errors import PoseError
from stream.frame import FrameResult, Outcome
from stream.pose import Pose, TrackedPose
from stream.wire import decode_line, decode_lines, encode, result_schema
from tests.results import result_of, standing_person

VALIDATOR = Draft202012Validator(result_schema())

pixels = st.floats(-1e5, 1e5, width=32)
ratios = st.floats(0, 1, width=32)


@st.composite
def people(draw: st.DrawFn) -> TrackedPose:
    points = draw(st.lists(st.tuples(pixels, pixels), min_size=17, max_size=17))
    confidence = draw(st.lists(ratios, min_size=17, max_size=17))
    pose = Pose(np.array(points, np.float32), np.array(confidence, np.float32), draw(ratios))
    return TrackedPose(draw(st.integers(1, 2**31)), pose)


@st.composite
def results(draw: st.DrawFn) -> FrameResult:
    outcome = draw(st.sampled_from(Outcome))
    persons = draw(st.lists(people(), max_size=3)) if outcome is Outcome.INFERRED else []
    return result_of(
        draw(st.integers(0, 2**40)),
        *persons,
        stream=draw(st.text(min_size=1)),
        epoch=draw(st.integers(0, 1000)),
        outcome=outcome,
        pts_seconds=draw(st.floats(-1e6, 1e6)),
    )


def test_a_line_is_written_exactly_so() -> None:
    points = np.tile(np.array([[10.126, 20.0]], np.float32), (17, 1))
    points[16] = (30.0, 60.004)
    pose = Pose(points, np.full(17, 0.12345, np.float32), score=0.91049)
    line = encode(result_of(12, TrackedPose(3, pose), pts_seconds=0.48))
    keypoints = ",".join(["[10.13,20.0,0.123]"] * 16 + ["[30.0,60.0,0.123]"])
    assert line == (
        '{"schema":1,"stream":"clip","epoch":0,"frame":12,"pts_seconds":0.48,"width":64,'
        '"height":48,"outcome":"inferred","model":"bottom_up","poses":[{"track":3,"score":0.91,'
        f'"box":[10.13,20.0,19.87,40.0],"keypoints":[{keypoints}]}}]}}'
    )


@given(results())
def test_every_line_is_one_line_of_ascii_that_the_schema_allows(result: FrameResult) -> None:
    line = encode(result)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    VALIDATOR.validate(json.loads(line))


@given(results())
def test_a_line_read_back_is_the_result_to_its_precision(result: FrameResult) -> None:
    read = decode_line(encode(result))
    frame = result.frame
    assert (read.stream, read.epoch, read.frame) == (frame.stream, frame.epoch, frame.index)
    assert (read.width, read.height) == (frame.picture.width, frame.picture.height)
    assert (read.outcome, read.model) == (result.outcome, result.model)
    assert read.pts_seconds == pytest.approx(frame.pts_seconds, abs=5e-7)
    for written, person in zip(result.poses, read.poses, strict=True):
        again = person.tracked_pose()
        assert again.track == written.track
        assert again.pose.score == pytest.approx(written.pose.score, abs=5e-4)
        # Half a step of the rounding and, for far coordinates, that of float32 (2^-7 at 1e5).
        np.testing.assert_allclose(
            again.pose.keypoints_px, written.pose.keypoints_px, atol=5.1e-3, rtol=1e-7
        )
        np.testing.assert_allclose(again.pose.confidence, written.pose.confidence, atol=5.1e-4)


def test_minus_zero_is_written_as_zero() -> None:
    pose = Pose(np.full((17, 2), -0.001, np.float32), np.ones(17, np.float32), 1.0)
    assert "-0.0" not in encode(result_of(0, TrackedPose(1, pose), pts_seconds=-0.0))


def test_lines_are_read_one_by_one() -> None:
    lines = [encode(result_of(index)) + "\n" for index in range(3)]
    assert [read.frame for read in decode_lines(lines)] == [0, 1, 2]


def test_a_line_that_was_cut_is_named_by_its_number() -> None:
    whole = encode(result_of(0))
    with pytest.raises(PoseError, match=r"line 3 is not a result of version 1: whole line:"):
        list(decode_lines([whole, whole, whole[:40]]))


def fields(**changes: object) -> dict[str, Any]:
    good: dict[str, Any] = json.loads(encode(result_of(0, standing_person())))
    return good | changes


def person(**changes: object) -> dict[str, Any]:
    return fields(poses=[fields()["poses"][0] | changes])


WRONG = {
    "an unknown field": fields(colour="red"),
    "a missing field": {name: value for name, value in fields().items() if name != "model"},
    "another version": fields(schema=2),
    "no stream name": fields(stream=""),
    "a negative epoch": fields(epoch=-1),
    "a frame number that is text": fields(frame="12"),
    "a time that is text": fields(pts_seconds="0.48"),
    "a picture without width": fields(width=0),
    "a yes for a number": fields(height=True),
    "an unknown outcome": fields(outcome="lost"),
    "a skipped frame with people": fields(outcome="skipped"),
    "poses that are no list": fields(poses={}),
    "a track below 1": person(track=0),
    "a score above 1": person(score=1.01),
    "a box of three numbers": person(box=[1, 2, 3]),
    "a box of five numbers": person(box=[1, 2, 3, 4, 5]),
    "a box with a negative width": person(box=[1, 2, -3, 4]),
    "sixteen keypoints": person(keypoints=[[1, 2, 0.5]] * 16),
    "keypoints of two numbers": person(keypoints=[[1, 2]] * 17),
    "keypoints of four numbers": person(keypoints=[[1, 2, 0.5, 0]] * 17),
    "a confidence above 1": person(keypoints=[[1, 2, 1.5]] * 17),
    "a coordinate that is null": person(keypoints=[[None, 2, 0.5]] * 17),
    "an unknown field of a person": person(name="Ada"),
    "a list": [1],
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_schema_and_reader_refuse_the_same_wrong_lines(wrong: object) -> None:
    with pytest.raises(ValidationError):
        VALIDATOR.validate(wrong)
    with pytest.raises(PoseError, match="line 7 "):
        decode_line(json.dumps(wrong), 7)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_know_are_refused(number: str) -> None:
    with pytest.raises(PoseError, match="line 1 "):
        decode_line(encode(result_of(0)).replace('"pts_seconds":0.0', f'"pts_seconds":{number}'))


def test_the_message_names_the_place_and_counts_the_other_faults() -> None:
    with pytest.raises(PoseError, match=r"poses\.0\.track: .* \(and 1 more\)"):
        decode_line(json.dumps(person(track=0, score=2)))


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(result_schema())


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        (Pose(np.zeros((3, 2), np.float32), np.ones(3, np.float32), 1.0), r"17 joints, got \{3\}"),
        (Pose(np.zeros((17, 2), np.float32), np.full(17, 1.5, np.float32), 1.0), "1.500"),
    ],
)
def test_a_pose_that_no_reader_would_accept_is_not_written(pose: Pose, message: str) -> None:
    with pytest.raises(PoseError, match=message):
        encode(result_of(0, TrackedPose(1, pose)))


def test_a_time_that_is_not_finite_is_not_written() -> None:
    with pytest.raises(PoseError, match="frame 4 of clip: times must be finite"):
        encode(result_of(4, pts_seconds=float("nan")))
