import json
import logging
from pathlib import Path

import numpy as np
import pytest

from engines.artefact import Artefact
from engines.engine import Precision
from engines.engine_options import EngineOptions
from engines.engine_store import ENTRY_NAME, EngineStore, file_sha256
from engines.openvino_engine import build_openvino, open_openvino
from stream.errors import EngineError
from tests.tiny_model import draw_people

CANVAS = (128, 96)


@pytest.fixture
def stored(tiny_artefact: Artefact, tmp_path: Path) -> EngineOptions:
    options = EngineOptions(batches=(1, 2), store=EngineStore(tmp_path))
    assert build_openvino(tiny_artefact, canvas=CANVAS, options=options)
    return options


def test_a_build_serves_all_batches_that_ride_in_the_same_graphs(
    tiny_artefact: Artefact, stored: EngineOptions
) -> None:
    for batches in ((1,), (2,), (1, 2)):
        options = EngineOptions(batches, stored.store)
        assert not build_openvino(tiny_artefact, canvas=CANVAS, options=options)


def test_a_stored_engine_gives_what_a_compiled_one_gives(
    tiny_artefact: Artefact, stored: EngineOptions
) -> None:
    pictures = np.stack([draw_people(*CANVAS, {(40, 40): grey}) for grey in (250, 200, 180)])
    one = open_openvino(tiny_artefact, canvas=CANVAS, options=stored)
    other = open_openvino(tiny_artefact, canvas=CANVAS, options=EngineOptions(batches=(1, 2)))
    found, expected = one.infer({"canvas": pictures}), other.infer({"canvas": pictures})
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_blob_that_openvino_refuses_is_told_and_compiled_anew(
    tiny_artefact: Artefact, stored: EngineOptions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entry = next((tmp_path / "engines").iterdir())
    (entry / "compiled.blob").write_bytes(b"made by another build")
    seal = json.loads((entry / ENTRY_NAME).read_text())
    seal["files"]["compiled.blob"] = file_sha256(entry / "compiled.blob")
    (entry / ENTRY_NAME).write_text(json.dumps(seal))
    with caplog.at_level(logging.WARNING):
        open_openvino(tiny_artefact, canvas=CANVAS, options=stored).close()
    assert [record.getMessage() for record in caplog.records] == ["engine_store_rejected"]


def test_int8_that_was_not_built_says_how_to_build_it(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    for options in (EngineOptions(), EngineOptions(store=EngineStore(tmp_path))):
        with pytest.raises(EngineError, match="posestream build tiny --engine openvino"):
            open_openvino(tiny_artefact, canvas=CANVAS, precision=Precision.INT8, options=options)


def test_building_needs_a_store(tiny_artefact: Artefact) -> None:
    with pytest.raises(EngineError, match="building needs a store"):
        build_openvino(tiny_artefact, canvas=CANVAS)
