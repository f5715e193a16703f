import math
from pathlib import Path

import pytest

from engines.artefact import load_artefact
from engines.zoo_models import ZOO, find_model, list_models
from stream.errors import ArtefactError
from tests.tiny_model import write_tiny_artefact


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    for name in ("bottom_up", "smpr"):
        write_tiny_artefact(tmp_path / "zoo" / name, name)
    (tmp_path / "zoo" / "no_model_here").mkdir()
    return tmp_path / "zoo"


def test_models_are_listed_by_name(zoo: Path) -> None:
    assert [manifest.name for manifest in list_models(zoo)] == ["bottom_up", "smpr"]


def test_an_empty_zoo_has_no_models(tmp_path: Path) -> None:
    assert list_models(tmp_path) == []


def test_a_model_is_found_by_its_name(zoo: Path) -> None:
    assert find_model("smpr", zoo).manifest.name == "smpr"


def test_a_model_is_found_by_the_path_of_its_folder(zoo: Path, tmp_path: Path) -> None:
    mine = write_tiny_artefact(tmp_path / "elsewhere", "mine")
    assert find_model(str(mine.folder), zoo).manifest.name == "mine"


def test_a_misspelt_name_gets_the_nearest_one_and_the_list(zoo: Path) -> None:
    with pytest.raises(
        ArtefactError, match=r"did you mean 'bottom_up'\? \(models: bottom_up, smpr"
    ):
        find_model("botom-up", zoo)


def test_a_misspelt_short_name_gets_it(zoo: Path) -> None:
    with pytest.raises(ArtefactError, match="did you mean 'accurate'"):
        find_model("acurate", zoo)


def test_a_name_unlike_all_others_gets_only_the_list(zoo: Path) -> None:
    with pytest.raises(ArtefactError, match=r"no model 'xyz' \(models: bottom_up, smpr"):
        find_model("xyz", zoo)


def test_no_shipped_model_gives_out_maps() -> None:
    """What crosses from the device for a frame or crop is poses, scores or boxes."""
    for manifest in list_models():
        values = [math.prod(side or 0 for side in spec.shape[1:]) for spec in manifest.outputs]
        assert 0 < 4 * sum(values) <= 16_384, manifest.name


def test_every_shipped_model_is_whole_and_small_and_has_a_card() -> None:
    for manifest in list_models():
        artefact = load_artefact(ZOO / manifest.name)
        assert (artefact.folder / "MODEL_CARD.md").is_file()
        assert artefact.onnx_path.stat().st_size <= 20_000_000
