"""TensorFlow checkpoints, read without TensorFlow."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from builders.importing.crc32c import LANES, crc32c, unmasked
from builders.importing.tensorflow_bundle import read_bundle
from stream.errors import ArtefactError
from tests.builders.importing.bundle_writer import slow_crc32c, write_bundle


def some_tensors() -> dict[str, NDArray[np.generic]]:
    random = np.random.default_rng(0)
    names = [
        f"resnet_v1_50/block{b}/unit_{u}/conv{c}" for b in (1, 2) for u in (1, 2) for c in (1, 2)
    ]
    tensors: dict[str, NDArray[np.generic]] = {
        f"{name}/weights": random.normal(size=(3, 3, 2, 4)).astype(np.float32) for name in names
    }
    return tensors | {
        "global_step": np.array(140, np.int64),
        "beta1_power": np.array(0.5, np.float32),
        "doubles": random.normal(size=300),
        "empty": np.zeros((0, 4), np.float32),
    }


def everything(_: str) -> bool:
    return True


@pytest.mark.parametrize("shards", [1, 3])
def test_what_another_writer_wrote_is_read_back(shards: int, tmp_path: Path) -> None:
    tensors = some_tensors()
    write_bundle(tmp_path / "snapshot_140.ckpt", tensors, shards=shards)
    found = read_bundle(tmp_path / "snapshot_140.ckpt", everything)
    assert found.keys() == tensors.keys()
    for name, expected in tensors.items():
        np.testing.assert_array_equal(found[name], expected, strict=True)


def test_only_wanted_tensors_are_read(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a.ckpt", some_tensors())
    found = read_bundle(tmp_path / "a.ckpt", lambda name: name.endswith("step"))
    assert list(found) == ["global_step"]


def test_a_flipped_byte_in_the_data_is_found(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a.ckpt", some_tensors())
    data = tmp_path / "a.ckpt.data-00000-of-00001"
    contents = bytearray(data.read_bytes())
    contents[-1] ^= 1
    data.write_bytes(contents)
    with pytest.raises(ArtefactError, match=r"weights are cut short or altered"):
        read_bundle(tmp_path / "a.ckpt", everything)


def test_data_that_is_cut_short_is_found(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a.ckpt", some_tensors())
    data = tmp_path / "a.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-10])
    with pytest.raises(ArtefactError, match="fetch the checkpoint again"):
        read_bundle(tmp_path / "a.ckpt", everything)


@pytest.mark.parametrize("at", [3, 60])
def test_a_flipped_byte_in_the_index_is_found(at: int, tmp_path: Path) -> None:
    write_bundle(tmp_path / "a.ckpt", some_tensors())
    index = tmp_path / "a.ckpt.index"
    contents = bytearray(index.read_bytes())
    contents[at] ^= 4
    index.write_bytes(contents)
    with pytest.raises(ArtefactError, match="does not have its checksum"):
        read_bundle(tmp_path / "a.ckpt", everything)


@pytest.mark.parametrize("text", [b"", b"x" * 30, b"<html>" * 30])
def test_something_else_named_index_is_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ckpt.index").write_bytes(text)
    with pytest.raises(ArtefactError, match="no index of a TensorFlow checkpoint"):
        read_bundle(tmp_path / "a.ckpt", everything)


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a.ckpt", some_tensors())
    (tmp_path / "a.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(ArtefactError, match=r"data-00000-of-00001: No such file"):
        read_bundle(tmp_path / "a.ckpt", everything)


def test_the_remainder_of_the_standards_example() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0
    assert unmasked(((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF) == 0xE3069283


@settings(max_examples=15)
@given(st.binary(max_size=200), st.integers(1, 3))
def test_lanes_give_the_remainder_of_the_whole(text: bytes, rows: int) -> None:
    long = (text + b"posestream") * (rows * LANES // (len(text) + 10) + 1)
    cut = long[: rows * LANES + len(text)]
    assert crc32c(cut) == slow_crc32c(cut)
