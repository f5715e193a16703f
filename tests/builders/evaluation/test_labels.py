import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders.evaluation.labels import (
    LabelledSet,
    read_labels,
    require_joints,
    require_pictures,
)
from stream.errors import ConfigError, SourceError
from stream.skeleton import COCO_17, CROWDPOSE_14
from tests.builders.evaluation.labelled import annotation, coco, labels_of, person_at, write_set

Change = Callable[[dict[str, Any]], object]


def two_people() -> dict[str, Any]:
    return coco([annotation(0, 1, person_at(10, 20)), annotation(7, 2, person_at(50, 60))])


def written(folder: Path, content: object) -> LabelledSet:
    path = folder / "labels.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return LabelledSet(path, folder)


def test_ids_are_counted_from_1_for_pycocotools_takes_0_for_nobody(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, two_people()))
    assert [p["id"] for p in labels.people] == [1, 2]
    assert [p["label_id"] for p in labels.people] == [0, 7]


def test_a_missing_area_is_a_share_of_the_box_and_crowdpose_never_takes_another(
    tmp_path: Path,
) -> None:
    record = annotation(1, 1, person_at(0, 0, 100), area=4000.0)
    assert labels_of(tmp_path, [record]).people[0]["area"] == 4000
    del record["area"]
    assert labels_of(tmp_path, [record]).people[0]["area"] == pytest.approx(0.53 * 100 * 100)
    crowd = annotation(1, 1, person_at(0, 0, 100, CROWDPOSE_14), area=4000.0)
    labels = labels_of(tmp_path, [crowd], skeleton=CROWDPOSE_14)
    assert labels.skeleton is CROWDPOSE_14
    assert labels.people[0]["area"] == pytest.approx(0.53 * 100 * 100)


def test_other_categories_are_left_out(tmp_path: Path) -> None:
    content = two_people()
    content["categories"] = [{"id": 4, "name": "cat"}, {"id": 1, "name": "person"}]
    content["annotations"].append(annotation(9, 1, person_at(0, 0)) | {"category_id": 4})
    assert len(read_labels(written(tmp_path, content)).people) == 2


def test_people_with_boxes_only_serve_a_detector_but_no_pose_model(tmp_path: Path) -> None:
    content = two_people()
    for record in content["annotations"]:
        del record["keypoints"], record["num_keypoints"]
    labels = read_labels(written(tmp_path, content))
    assert labels.skeleton is COCO_17
    with pytest.raises(ConfigError, match="2 people, none with a labelled joint"):
        require_joints(labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "has no list `images`"),
        (lambda c: c.update(images=[]), "`images` is empty"),
        (lambda c: c["images"][1].pop("file_name"), r"images\[1\]: expected an integer `id`"),
        (lambda c: c["images"][2].update(id=1), r"images\[2\]: id 1 came before"),
        (lambda c: c.update(categories=[{"id": 1, "name": "dog"}]), "category `person`, got dog"),
        (lambda c: c.update(categories=[]), "category `person`, got none"),
        (lambda c: c["categories"][0]["keypoints"].pop(), "has 16 joints; expected 17"),
        (lambda c: c["categories"][0]["keypoints"].reverse(), "joint 0 .* is right_ankle"),
        (lambda c: c.update(annotations=[]), "no person is labelled"),
        (lambda c: c["annotations"][1].update(image_id=99), "annotation 7: no picture .* 99"),
        (lambda c: c["annotations"][1].pop("bbox"), "annotation 7: `bbox` needs 4 numbers"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, -3, 4]), "annotation 7: bbox .* neg"),
        (lambda c: c["annotations"][1]["keypoints"].pop(), "`keypoints` needs 51 numbers, got 50"),
        (lambda c: c["annotations"][1]["keypoints"].__setitem__(3, "x"), "annotation 7: .* 'x'"),
        (lambda c: c["annotations"][1].update(area=float("nan")), "annotation 7: `area` holds nan"),
    ],
)
def test_a_wrong_record_is_named_with_its_file(
    tmp_path: Path, change: Change, message: str
) -> None:
    content = two_people()
    change(content)
    with pytest.raises(ConfigError, match=rf"labels .*labels\.json.*{message}"):
        read_labels(written(tmp_path, content))


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.json: cannot be read: No such file"):
        read_labels(LabelledSet(tmp_path / "nothing.json", tmp_path))
    (tmp_path / "words.json").write_text("{words", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"words\.json: cannot be read: .*line 1"):
        read_labels(LabelledSet(tmp_path / "words.json", tmp_path))


def test_missing_pictures_are_named_before_the_first_is_shown(tmp_path: Path) -> None:
    content = coco([annotation(1, 1, person_at(10, 20))], pictures=6)
    labels = read_labels(write_set(tmp_path, content))
    require_pictures(labels)
    for number in (2, 4, 5, 6):
        (tmp_path / f"{number}.png").unlink()
    with pytest.raises(SourceError, match=r"4 of 6 .*: 2\.png, 4\.png, 5\.png and 1 more"):
        require_pictures(labels)
