from pathlib import Path

import pytest

from builders.training.recipe import Milestones, load_recipe, parse_recipe
from stream.errors import ConfigError

REPOSITORY = Path(__file__).parents[3]
RECIPES = sorted((REPOSITORY / "configs" / "train").rglob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_loads(path: Path) -> None:
    assert load_recipe(path).name == path.stem


PEOPLE, PICTURES = 149_813, 64_115
"""Of COCO train2017 with joints."""
PAPERS = {
    # of what an epoch consists, examples a step, epochs and where the rate falls, rate, scale, turn
    "simple_baseline_": (PEOPLE, 128, (140, 90, 120), 1e-3, 0.3, 40),
    "hrnet_w48_384": (PEOPLE, 96, (210, 170, 200), 1e-3, 0.35, 45),
    "hrnet_": (PEOPLE, 128, (210, 170, 200), 1e-3, 0.35, 45),
    "graph_pcnn_r": (PEOPLE, 128, (140, 90, 120), 1e-3, 0.3, 40),
    "graph_pcnn_w48_384": (PEOPLE, 96, (210, 170, 200), 1e-3, 0.35, 45),
    "graph_pcnn_w": (PEOPLE, 128, (210, 170, 200), 1e-3, 0.35, 45),
    "kcam_": (PEOPLE, 128, (210, 170, 200), 5e-4, 0.5, 40),
    "posefix_": (PEOPLE, 128, (140, 90, 120), 5e-4, 0.3, 40),
    "hgg_w32": (PICTURES, 48, (140, 90, 120), 1e-3, None, None),
    "hgg_w48": (PICTURES, 32, (140, 90, 120), 1e-3, None, None),
    "higher_hgg_": (PICTURES, 32, (140, 90, 120), 1e-3, None, None),
    "dekr_": (PICTURES, 40, (140, 90, 120), 1e-3, None, None),
}


@pytest.mark.parametrize(
    "path", [path for path in RECIPES if path.parent.name == "papers"], ids=lambda path: path.stem
)
def test_the_papers_recipes_have_the_papers_schedules(path: Path) -> None:
    recipe = load_recipe(path)
    paper = next(value for name, value in PAPERS.items() if path.stem.startswith(name))
    examples, batch, epochs, rate, scale, turn = paper
    assert isinstance(recipe.schedule, Milestones)
    assert batch % recipe.batch == 0  # the rest is that of the number of processes
    steps = [epoch * examples / batch for epoch in epochs]
    found = (recipe.steps, *recipe.schedule.at)
    assert found == pytest.approx(steps, abs=1)
    assert (recipe.rate, recipe.schedule.factor) == (rate, 0.1)
    crop = getattr(recipe.task, "crop", None)
    assert (crop.scale if crop else None, crop.rotation_degrees if crop else None) == (scale, turn)


SET = {"name": "a", "kind": "coco", "annotations": "a/train.json", "pictures": "a", "share": 1}


def content(**changed: object) -> dict[str, object]:
    task = {"sets": [SET]} | dict(changed.pop("task", {}))  # type: ignore[call-overload]
    given = {"name": "x", "network": "compact_bottom_up", "steps": 3, "batch": 1, "rate": 0.1}
    return given | {"task": task} | changed


def faults(**changed: object) -> str:
    with pytest.raises(ConfigError) as error:
        parse_recipe(content(**changed), "recipe r.yaml")
    return str(error.value)


def test_all_faults_are_named_at_once_with_their_place() -> None:
    message = faults(steps=0, task={"pasted": 3, "augment": {"canvas": "big"}})
    for fault in ("recipe r.yaml", "steps:", "task.pasted:", "task.augment.canvas:", "got 'big'"):
        assert fault in message


def test_an_unknown_network_is_named_with_those_there_are() -> None:
    message = faults(network="other", bogus=1)
    assert "network: 'other' is not among" in message
    assert "compact_bottom_up" in message
    assert "bogus: no such setting" in message


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"sedd": 3}, "sedd: no such setting; did you mean seed?"),
        ({"warmup": {"step": 3}}, "warmup.step: no such setting; did you mean steps?"),
        ({"task": {"head_step": 3}}, "task.head_step: no such setting; did you mean head_steps?"),
        ({"task": {"sets": [SET | {"shar": 1}]}}, "did you mean share?"),
        ({"task": {"augment": {"canvass": 1}}}, "did you mean canvas?"),
        (
            {"schedule": {"kind": "milestones", "at": [1], "facto": 1}},
            "schedule.milestones.facto: no such setting; did you mean factor?",
        ),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_name(
    changed: dict[str, object], fault: str
) -> None:
    assert fault in faults(**changed)


@pytest.mark.parametrize(
    "annotations",
    ["a/val.json", "labelled/mixed_val/x.json", "person_keypoints_val2017.json", "b/test/a.json"],
)
def test_a_val_split_is_refused(annotations: str) -> None:
    assert "must not be trained on" in faults(task={"sets": [SET | {"annotations": annotations}]})


def test_a_train_split_with_a_like_name_is_not_refused() -> None:
    for annotations in ("latest/valley.json", "/data/test/train.json"):
        own = SET | {"annotations": annotations}
        assert parse_recipe(content(task={"sets": [own]}), "recipe")


def test_a_schedule_is_chosen_by_its_kind() -> None:
    recipe = parse_recipe(content(schedule={"kind": "milestones", "at": [5, 7]}), "r")
    assert recipe.schedule == Milestones(at=(5, 7), factor=0.1)


def test_a_file_that_is_no_recipe_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    for text, message in (("- 1", "expected keys and values"), ("a: [", "r.yaml")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            load_recipe(path)
    with pytest.raises(ConfigError, match="No such file"):
        load_recipe(tmp_path / "none.yaml")
