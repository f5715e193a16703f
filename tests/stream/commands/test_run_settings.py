from pathlib import Path

import pytest

from stream.commands.run_settings import RunSettings
from stream.errors import ConfigError


def test_the_demo_without_outputs_writes_results_and_video() -> None:
    settings = RunSettings("demo", "any").with_demo_outputs()

    assert settings.destinations == ("demo.jsonl", "demo.mp4")


@pytest.mark.parametrize(
    "settings",
    [
        RunSettings("demo", "any", outputs=("mine.jsonl",)),
        RunSettings("demo", "any", annotate=Path("mine.mp4")),
        RunSettings("clip.mp4", "any"),
    ],
)
def test_outputs_are_the_users_own_otherwise(settings: RunSettings) -> None:
    assert settings.with_demo_outputs() is settings


@pytest.mark.parametrize(
    ("outputs", "annotate"),
    [
        (("a.jsonl", "a.jsonl"), None),
        (("a.jsonl", "./a.jsonl"), None),
        (("-", "-"), None),
        (("redis://h/0", "redis://h/0"), None),
        (("a.mp4",), Path("a.mp4")),
    ],
)
def test_two_outputs_to_one_place_are_refused(
    outputs: tuple[str, ...], annotate: Path | None
) -> None:
    with pytest.raises(ConfigError, match="two outputs go to"):
        RunSettings("clip.mp4", "any", outputs=outputs, annotate=annotate)


def test_an_output_on_top_of_the_source_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"

    with pytest.raises(ConfigError, match="is the source itself"):
        RunSettings(str(clip), "any", annotate=tmp_path / "x" / ".." / "clip.mp4")
