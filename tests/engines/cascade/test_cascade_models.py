from pathlib import Path

import pytest

from engines.artefact import Artefact
from engines.cascade.models import CascadeModels, find_cascade, portable_name, split_models
from engines.zoo_models import SHORT_NAMES
from stream.errors import ArtefactError, ConfigError
from tests.tiny_cascade import cascade_of, tiny_models
from tests.tiny_scorer import write_tiny_scorer


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artefact]:
    folder = tmp_path_factory.mktemp("models")
    return tiny_models(folder) | {"scorer": write_tiny_scorer(folder / "tiny_scorer")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", ("a",)),
        ("a+b", ("a", "b")),
        (" a + b+c ", ("a", "b", "c")),
        ("a,b", ("a", "b")),
        ("tiny", ("bottom_up_tiny",)),
        ("fast", ("bottom_up_fast",)),
        ("accurate", ("person_detector", "graph_pcnn")),
        ("fast+b", ("bottom_up_fast", "b")),
    ],
)
def test_names_stand_behind_one_another_with_a_plus(text: str, expected: tuple[str, ...]) -> None:
    assert split_models(text) == expected


@pytest.mark.parametrize("text", ["", "+", "a+", "+a", "a++b"])
def test_a_missing_name_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="as in detector"):
        split_models(text)


def test_a_folder_with_a_plus_in_its_name_is_one_model(tmp_path: Path) -> None:
    (tmp_path / "a+b").mkdir()
    assert split_models(str(tmp_path / "a+b")) == (str(tmp_path / "a+b"),)


def test_models_are_found_by_folder_and_named_together(models: dict[str, Artefact]) -> None:
    folders = [str(models[stage].folder) for stage in ("detector", "top_down", "refiner")]
    found = find_cascade("+".join(folders))
    assert found.name == "tiny_detector+tiny_top_down+tiny_refiner"
    assert found.scoring == models["top_down"]
    assert found.of("one_pass") is None
    assert found.onnx_sha256.count("+") == 2


def test_one_model_alone_is_a_cascade_too(models: dict[str, Artefact]) -> None:
    found = cascade_of(models, "one_pass")
    assert (found.name, found.scoring) == ("tiny", found.first)


def test_short_names_are_shipped_models_that_go_together() -> None:
    for short, names in SHORT_NAMES.items():
        assert find_cascade(short).name == names


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(ArtefactError, match="did you mean 'bottom_up'"):
        find_cascade("botom_up+posefix")


@pytest.mark.parametrize(
    ("stages", "remedy"),
    [
        (("detector",), "put a top-down model behind it"),
        (("top_down",), "put a detector in front of it"),
        (("top_down", "refiner"), "put a detector in front of it"),
        (("refiner",), "needs poses to refine"),
        (("refiner", "one_pass"), "needs poses to refine"),
        (("detector", "one_pass"), "looks at whole frames stands first"),
        (("detector", "refiner"), "in another order"),
        (("one_pass", "refiner", "refiner"), "twice"),
        (("scorer",), "needs poses to score"),
        (("one_pass", "scorer", "refiner"), "stands last"),
    ],
)
def test_models_that_do_not_go_together_are_refused_with_a_remedy(
    models: dict[str, Artefact], stages: tuple[str, ...], remedy: str
) -> None:
    with pytest.raises(ConfigError, match=remedy) as refused:
        cascade_of(models, *stages)
    assert "tiny" in str(refused.value)
    assert "detector + top_down + refiner" in str(refused.value)


def test_folders_are_written_down_so_that_they_are_found_from_anywhere(
    models: dict[str, Artefact], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = models["detector"].folder
    monkeypatch.chdir(folder.parent)
    assert portable_name(f"{folder.name}+posefix") == f"{folder}+posefix"


def test_models_know_their_thresholds(models: dict[str, Artefact]) -> None:
    whole = CascadeModels((models["detector"], models["top_down"]))
    assert whole.thresholds == models["top_down"].manifest.thresholds
