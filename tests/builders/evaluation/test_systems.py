import pytest

from builders.evaluation.systems import parse_system
from stream.errors import ConfigError


@pytest.mark.parametrize(
    ("models", "boxes", "expected"),
    [
        ("a", None, (("a",), None)),
        ("a + b", None, (("a", "b"), None)),
        ("truth+a", None, (("a",), "truth")),
        ("truth+a+b", "truth", (("a", "b"), "truth")),
        ("truth,a", None, (("a",), "truth")),
        ("a", "x.json", (("a",), "x.json")),
        ("a", "truth", (("a",), "truth")),
    ],
)
def test_truth_in_front_of_a_cascade_is_the_same_as_boxes_from_the_truth(
    models: str, boxes: str | None, expected: tuple[tuple[str, ...], str | None]
) -> None:
    assert parse_system(models, boxes) == expected


@pytest.mark.parametrize("models", ["", "a++b", "+a", "truth", "a+truth", "truth+truth"])
def test_what_is_no_cascade_is_refused(models: str) -> None:
    with pytest.raises(ConfigError, match=r"expected|stands first"):
        parse_system(models, None)
