from base64 import b64decode

import pytest

from stream.camera.nal_units import VideoCodec
from stream.camera.sdp import session_description
from tests.camera_clips import PARAMETER_SETS, made_up_clip


def format_fields(codec: VideoCodec) -> dict[str, str]:
    lines = session_description(made_up_clip(codec)).split("\r\n")
    [line] = [line for line in lines if line.startswith("a=fmtp:96 ")]
    fields = (field.partition("=") for field in line.removeprefix("a=fmtp:96 ").split(";"))
    return {name: value for name, _, value in fields}


@pytest.mark.parametrize("codec", VideoCodec)
def test_every_line_is_a_letter_an_equals_sign_and_a_value(codec: VideoCodec) -> None:
    *lines, last = session_description(made_up_clip(codec)).split("\r\n")
    assert last == ""
    assert all(line[1] == "=" and line[2:] for line in lines)
    assert lines[0] == "v=0"
    assert f"a=rtpmap:96 {codec.value}/90000" in lines


def test_h264_tells_its_profile_and_parameter_sets() -> None:
    fields = format_fields(VideoCodec.H264)
    sets = tuple(b64decode(part) for part in fields["sprop-parameter-sets"].split(","))
    assert sets == PARAMETER_SETS[VideoCodec.H264]
    assert fields["profile-level-id"] == "42C01E"
    assert fields["packetization-mode"] == "1"


def test_h265_tells_each_kind_of_parameter_set() -> None:
    fields = format_fields(VideoCodec.H265)
    sets = tuple(b64decode(fields[f"sprop-{kind}"]) for kind in ("vps", "sps", "pps"))
    assert sets == PARAMETER_SETS[VideoCodec.H265]
