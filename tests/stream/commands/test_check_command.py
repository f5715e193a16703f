import json
from pathlib import Path

import pytest

from stream.commands.check_site import wrong_with_model
from stream.site_file.read_site import SiteError, read_site
from tests.command_line import posestream

SITE = """
sinks: [{kind: jsonl, folder: out}]
streams:
  - {name: gate, url: 'rtsp://h/p', login: {user: u, password: {env: NO_SUCH_SECRET}}}
  - {name: hall, url: hall.mp4, model: MODEL}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text(SITE.replace("MODEL", "bottom_up"), "utf-8")
    return file


def test_a_good_site_is_said_to_be_good(site: Path) -> None:
    done = posestream("check", site, "--without-secrets", cwd=site.parent)
    assert done.returncode == 0
    assert "good; streams: gate, hall; sinks: jsonl" in done.stdout


def test_a_missing_secret_is_named_with_its_field(site: Path) -> None:
    done = posestream("check", site, cwd=site.parent)
    assert done.returncode == 2
    assert "streams[0].login.password: environment variable NO_SUCH_SECRET" in done.stderr


def test_an_unknown_model_is_a_fault_with_its_line_and_the_nearest_name(site: Path) -> None:
    site.write_text(SITE.replace("MODEL", "botom_up"), "utf-8")
    done = posestream("check", site, cwd=site.parent)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{site}:5: streams[1].model: ")
    assert "bottom_up" in line


ADDED = """
sinks: [{kind: jsonl, folder: out}]
streams: [{name: gate, url: gate.mp4}]
api: {added_streams: added.json}
"""


def test_added_streams_that_a_start_would_leave_out_are_named(site: Path) -> None:
    site.write_text(ADDED, "utf-8")
    added = site.with_name("added.json")
    kept = [{"name": name, "url": "rtsp://192.0.2.1/live"} for name in ("gate", "yard")]
    added.write_text(json.dumps({"streams": kept}), "utf-8")
    before = added.stat().st_mtime_ns
    done = posestream("check", site, cwd=site.parent)
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{site}: added stream gate is left out: the site file names")
    assert added.stat().st_mtime_ns == before  # a check writes nothing


def test_added_streams_that_keep_the_daemon_from_starting_are_a_fault(site: Path) -> None:
    site.write_text(ADDED, "utf-8")
    site.with_name("added.json").write_text("no streams", "utf-8")
    done = posestream("check", site, cwd=site.parent)
    assert done.returncode == 2
    assert "api.added_streams" in done.stderr
    assert "no JSON" in done.stderr


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ("[bottom_up, bottom_up]", "a model that looks at whole frames stands first"),
        ("[bottom_up, posefux]", "no model 'posefux'"),
    ],
)
def test_models_that_do_not_go_together_are_a_fault(models: str, words: str, site: Path) -> None:
    site.write_text(SITE.replace("MODEL", models), "utf-8")
    wrong = wrong_with_model("+".join(models.strip("[]").split(", ")))
    assert wrong is not None
    assert words in wrong
    with pytest.raises(SiteError, match=r"site.yaml:5: streams\[1\].model: ") as told:
        read_site(site, wrong_with_model)
    assert words in str(told.value)
