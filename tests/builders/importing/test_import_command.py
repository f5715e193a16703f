"""From a published file to a checkpoint of ours with its report, and to a model folder."""

import json
from pathlib import Path

import pytest
import torch

from builders.importing.checkpoint_file import State
from builders.importing.crc32c import crc32c
from builders.importing.file_hash import sha256_of
from builders.importing.import_command import import_model
from builders.importing.import_targets import import_targets
from builders.importing.published_files import PUBLISHED_FILES
from builders.networks.kcam import Kcam
from engines.artefact import load_artefact
from stream.errors import ArtefactError, ConfigError
from tests.builders.importing.bundle_writer import write_bundle
from tests.builders.importing.published_keys import (
    PUBLISHED,
    Shapes,
    dekr,
    hgg,
    pose_resnet,
    posefix,
    scoring_net,
)
from tests.command_line import posestream


def numbers(shapes: Shapes) -> State:
    """Values that tell the entries apart: small, different, variances positive."""
    random = torch.Generator().manual_seed(0)
    return {
        key: torch.rand(shape, generator=random) * 0.1 + 0.01
        if not key.endswith("num_batches_tracked")
        else torch.tensor(3)
        for key, shape in shapes.items()
    }


def tied(state: State) -> State:
    """With HGG's constants, and its convolution weights equal in all three branches."""
    rows = [[-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0], [-1.0, 0.0, 1.0] * 3]
    kinds = ("transform_matrix_conv1", "transform_matrix_conv2", "stn_conv1", "stn_conv2")
    for key in state:
        if key.endswith("regular_matrix"):
            state[key] = torch.tensor(rows)
        for branch in ("1", "2"):
            start = f"multi_level_layers_4x_heatmap.{branch}."
            if key.startswith(start) and key.endswith(tuple(f"{kind}.weight" for kind in kinds)):
                state[key] = state[f"multi_level_layers_4x_heatmap.0.{key.removeprefix(start)}"]
    return state


def saved(path: Path, contents: object) -> Path:
    torch.save(contents, path)
    return path


def test_a_checkpoint_and_its_report_are_written(tmp_path: Path) -> None:
    state = numbers(scoring_net())
    file = saved(tmp_path / "final_rescore_coco_kpt.pth", state)
    report = import_model(file, "scoring_net", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "scoring_net.pt",
        "scoring_net.json",
    }
    back = torch.load(tmp_path / "out" / "scoring_net.pt", weights_only=True)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], value) for key, value in state.items())
    told = json.loads((tmp_path / "out" / "scoring_net.json").read_text())
    assert told["network"] == "scoring_net"
    assert told["parameters"] == report.parameters == 85_249
    assert told["licence"] == "MIT"
    assert told["checkpoint_sha256"] == sha256_of(tmp_path / "out" / "scoring_net.pt")
    (source,) = told["source"]
    assert source == {
        "name": file.name,
        "sha256": sha256_of(file),
        "size_bytes": file.stat().st_size,
    }


def test_what_was_imported_can_be_imported_again(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.pth", numbers(scoring_net()))
    first = import_model(file, "scoring_net", tmp_path / "a")
    again = import_model(tmp_path / "a" / "scoring_net.pt", "scoring_net", tmp_path / "b")
    assert again.weights_sha256 == first.weights_sha256


def test_microsofts_training_checkpoint_of_several_gpus_is_imported(tmp_path: Path) -> None:
    state = {k: v for k, v in numbers(pose_resnet(50)).items() if "num_batches" not in k}
    contents = {"epoch": 140, "state_dict": {f"module.{k}": v for k, v in state.items()}}
    file = saved(tmp_path / "pose_resnet_50_256x192.pth.tar", contents)
    report = import_model(file, "pose_resnet_50_caffe", tmp_path / "out")
    back = torch.load(tmp_path / "out" / "pose_resnet_50_caffe.pt", weights_only=True)
    assert all(torch.equal(back[key], value) for key, value in state.items())
    assert report.channel_order == "BGR"
    assert report.parameters == 33_999_697
    assert not (tmp_path / "out" / "model.onnx").exists(), "folders hold no networks of crops yet"


def test_a_tensorflow_checkpoint_of_posefix_is_imported(tmp_path: Path) -> None:
    state = {key: value.numpy() for key, value in numbers(posefix(50)).items()}
    write_bundle(tmp_path / "snapshot_140.ckpt", state, crc32c)
    report = import_model(tmp_path / "snapshot_140.ckpt.index", "posefix_r50", tmp_path / "out")
    assert (report.read_as, report.parameters) == ("TensorFlow", 34_053_009)
    assert [each["name"] for each in report.source] == [
        "snapshot_140.ckpt.index",
        "snapshot_140.ckpt.data-00000-of-00001",
    ]
    back = torch.load(tmp_path / "out" / "posefix_r50.pt", weights_only=True)
    stem = torch.from_numpy(state["resnet_v1_50/conv1/weights"]).permute(3, 2, 0, 1)
    assert torch.equal(back["conv1.weight"], stem)


def test_hggs_release_is_imported_with_its_constants_and_tied_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saved(tmp_path / "pose_hrnet_w32_reg.pth", tied(numbers(hgg(32))))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    report = import_model(file, "hgg_w32", None)
    assert report.parameters == 30_678_516
    written = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert written == ["hgg_w32.json", "hgg_w32.pt"], "a model folder only with --out"


def test_tied_weights_that_differ_are_named(tmp_path: Path) -> None:
    state = tied(numbers(hgg(32)))
    key = "multi_level_layers_4x_heatmap.1.0.stn_conv2.weight"
    state[key] = state[key] + 1
    file = saved(tmp_path / "w.pth", state)
    with pytest.raises(ArtefactError, match=r"tied in the network but different in the file"):
        import_model(file, "hgg_w32", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]


def test_another_sampling_grid_is_named(tmp_path: Path) -> None:
    state = tied(numbers(dekr(32)))
    state["offset_feature_layers.3.1.regular_matrix"] = torch.zeros(2, 9)
    file = saved(tmp_path / "w.pth", state)
    with pytest.raises(ArtefactError, match=r"1 another sampling grid than ours: offset_feature"):
        import_model(file, "dekr_w32", tmp_path)


def test_everything_that_does_not_fit_is_named_at_once(tmp_path: Path) -> None:
    state = numbers(scoring_net())
    del state["l1.bias"], state["l3.weight"]
    state |= {"l4.weight": torch.ones(1), "extra": torch.ones(1), "l2.bias": torch.ones(255)}
    file = saved(tmp_path / "w.pth", state)
    with pytest.raises(ArtefactError) as caught:
        import_model(file, "scoring_net", tmp_path)
    assert str(caught.value) == (
        f"{file} does not fit scoring_net (read as: as released): 2 missing: l1.bias, l3.weight; "
        "2 unexpected: l4.weight, extra; 1 of another shape: l2.bias 255 instead of 256"
    )


def test_values_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    state = numbers(scoring_net())
    state["l2.weight"][3, 4] = float("nan")
    with pytest.raises(ArtefactError, match=r"1 not finite: l2\.weight"):
        import_model(saved(tmp_path / "w.pth", state), "scoring_net", tmp_path)


def test_weights_of_another_network_are_recognised(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.pth", numbers(scoring_net()))
    with pytest.raises(ArtefactError, match=r"looks like weights of scoring_net: use --as scoring"):
        import_model(file, "pose_hrnet_w32", tmp_path)


def test_an_unknown_network_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean hgg_w32\? known: dekr_w32, dekr_w48"):
        import_model(tmp_path / "w.pth", "hgg_32", tmp_path)


def test_nothing_is_replaced_unless_asked_for(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.pth", numbers(scoring_net()))
    import_model(file, "scoring_net", tmp_path)
    with pytest.raises(ArtefactError, match=r"scoring_net\.json would be replaced; add --overwri"):
        import_model(file, "scoring_net", tmp_path)
    import_model(file, "scoring_net", tmp_path, overwrite=True)


def test_a_heatmap_network_starts_kcam_and_the_rest_stays_to_be_trained(tmp_path: Path) -> None:
    state = numbers(pose_resnet(50))
    report = import_model(saved(tmp_path / "w.pth", state), "kcam_resnet_50", tmp_path)
    network = import_targets()["kcam_resnet_50"].make()
    assert isinstance(network, Kcam)
    network.load_state_dict(torch.load(tmp_path / "kcam_resnet_50.pt", weights_only=True))
    assert torch.equal(network.network.final_layer.weight, state["final_layer.weight"])
    assert report.untrained == ["context.", "final_layer."]


def test_a_one_pass_network_becomes_a_model_folder(tmp_path: Path) -> None:
    _, shapes = PUBLISHED["dekr_w32, mmpose"]
    file = saved(tmp_path / "dekr_hrnet-w32.pth", {"state_dict": numbers(shapes()), "meta": {}})
    report = import_model(file, "dekr_w32", tmp_path / "dekr")
    artefact = load_artefact(tmp_path / "dekr")
    assert artefact.manifest.name == "dekr_w32"
    assert artefact.manifest.licence == "Apache-2.0"
    assert artefact.manifest.training["sha256"] == sha256_of(file)
    assert artefact.manifest.canvases == ((704, 512), (512, 704), (960, 512), (512, 960))
    assert len(report.left_out) == 8


def test_the_command_tells_what_it_did_and_its_errors_are_one_line(tmp_path: Path) -> None:
    state = numbers(scoring_net())
    file = saved(tmp_path / "w.pth", state)
    words = ("models", "import", file, "--as", "scoring_net")
    done = posestream(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "scoring_net.pt: HGG's and DEKR's scoring net, 85,249 parameters" in done.stdout
    again = posestream(*words, cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "--overwrite" in again.stderr
    as_json = posestream(*words, "--overwrite", "--json", cwd=tmp_path)
    assert json.loads(as_json.stdout)["read_as"] == "as released"


def test_every_fetchable_file_is_of_a_known_network() -> None:
    targets = import_targets()
    assert {file.network for file in PUBLISHED_FILES} <= targets.keys()
    assert len({file.name for file in PUBLISHED_FILES}) == len(PUBLISHED_FILES)
    for file in PUBLISHED_FILES:
        assert file.url.startswith("https://")
        assert file.sha256_prefix in file.file_name
        assert len(file.sha256_prefix) == 8
