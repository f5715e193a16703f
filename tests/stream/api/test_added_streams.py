"""Streams that are added over the API are there again after a restart, and no secret is written."""

import json
from pathlib import Path
from typing import Any

import pytest

from engines.artefact import Artefact
from stream.api.added_streams import AddedStreams
from stream.api.new_stream import NewStream
from stream.camera.digest import Login
from stream.errors import ConfigError, SinkError
from stream.fleet.stream_plan import StreamPlan
from stream.site_file.read_site import missing_secrets, parse_site
from tests.running_api import ApiClient, client_of, wait_for
from tests.running_camera import running_camera
from tests.running_daemon import running_daemon, write_site

LOGIN = Login("ada", "p/a?s#s@w%o:r d")
URL = "rtsp://192.0.2.1/live"
SITE = """
sinks: [{kind: jsonl, folder: out}]
limits: {streams: 3}
streams: [{name: hall, url: 'rtsp://192.0.2.9/hall'}]
api: {logins: [{name: yard, user: ada, password: {env: YARD}}]}
"""


def wish(name: str, url: str = URL, **fields: Any) -> NewStream:
    return NewStream.model_validate({"name": name, "url": url, **fields})


def plans(added: AddedStreams, text: str = SITE) -> list[StreamPlan]:
    site = parse_site(text, "site.yaml")
    return added.plans(site, Path(), lambda _model: None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "added.json"


def test_what_is_kept_is_planned_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YARD", LOGIN.password)
    added = AddedStreams(file)
    assert added.keep(wish("gate", login_name="yard", max_fps=3, transport="udp"))
    assert added.keep(wish("door", model=["detector", "posefix"]))
    first, second = plans(AddedStreams(file), SITE.replace("192.0.2.9/hall", "h/x"))[:2]
    assert (first.name, first.max_fps, first.is_extra) == ("gate", 3, True)
    assert "ada:p%2Fa%3Fs%23s%40w%25o%3Ar%20d@192.0.2.1" in first.address.address
    assert ("rtsp_transport", "udp") in first.address.options
    assert (second.name, second.model) == ("door", "detector+posefix")


def test_what_is_asked_for_last_is_kept(file: Path) -> None:
    added = AddedStreams(file)
    added.keep(wish("gate"))
    added.keep(wish("gate", max_fps=7))
    (plan,) = plans(AddedStreams(file))
    assert plan.max_fps == 7


@pytest.mark.parametrize(
    "fields",
    [
        {"login": {"user": "ada", "password": LOGIN.password}},
        {"url": "rtsp://ada:p%2Fw@192.0.2.1/live"},
        {"url": "http://192.0.2.1/live.m3u8?token=abcdef"},
    ],
)
def test_a_stream_with_a_secret_is_not_written(file: Path, fields: dict[str, Any]) -> None:
    added = AddedStreams(file)
    assert not added.keep(wish("gate", **fields))
    assert added.names == set()
    assert json.loads(file.read_text("utf-8")) == {"streams": []}


def test_the_file_is_for_its_owner_only(file: Path) -> None:
    file.parent.mkdir()
    file.with_name("added.json.partial").write_text("left by a crash", "utf-8")
    AddedStreams(file).keep(wish("gate"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["added.json"]


def test_pause_and_removal_are_kept(file: Path) -> None:
    added = AddedStreams(file)
    for name in ("gate", "door"):
        added.keep(wish(name))
    added.pause("gate", is_paused=True)
    added.pause("unknown", is_paused=True)
    assert [plan.paused for plan in plans(AddedStreams(file))] == [True, False]
    added.pause("gate", is_paused=False)
    assert added.forget("door")
    assert not added.forget("door")
    (plan,) = plans(AddedStreams(file))
    assert (plan.name, plan.paused) == ("gate", False)


def test_without_a_file_nothing_is_kept() -> None:
    added = AddedStreams(None)
    assert not added.keep(wish("gate"))
    assert not added.forget("gate")
    assert plans(added) == []


def test_what_cannot_be_started_is_told_and_stays(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("YARD", raising=False)
    added = AddedStreams(file)
    for name in ("hall", "gate", "door", "roof"):
        added.keep(wish(name))
    added.keep(wish("yard", login_name="yard"))
    added.keep(wish("shed", login_name="none"))
    assert [plan.name for plan in plans(added)] == ["gate", "door"]
    told = {r.stream: r.cause for r in caplog.records}  # type: ignore[attr-defined]
    assert "the site file names a stream like it" in told["hall"]
    assert "limits.streams is 3" in told["roof"]
    assert "limits.streams is 3" in told["yard"]
    plans(added, SITE.replace("streams: 3", "streams: 9"))
    told = {r.stream: r.cause for r in caplog.records}  # type: ignore[attr-defined]
    assert "YARD: it is not set" in told["yard"]
    assert "got 'none', which api.logins does not have; it has: yard" in told["shed"]
    assert AddedStreams(file).names == {"hall", "gate", "door", "roof", "yard", "shed"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ("[]", "got a list"),
        ('{"streams": [{"name": "a"}]}', "streams[0].url: missing"),
        ('{"streams": [{"name": "a", "url": "x.mp4"}]}', "expected one of rtsp://"),
        (
            '{"streams": [{"name": "a", "url": "rtsp://h", "login": {"password": "s3cr3t"}}]}',
            "streams[0].login: unknown name",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_and_left_alone(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "added.json"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"api\.added_streams") as raised:
        AddedStreams(file)
    assert words in str(raised.value)
    assert "remove it to begin without" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)
    assert file.read_text("utf-8") == text


def test_a_file_that_cannot_be_written_keeps_the_daemon_from_starting(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="Not a directory"):
        AddedStreams(tmp_path / "file" / "added.json")
    (tmp_path / "added.json.partial").mkdir()
    with pytest.raises(SinkError, match="cannot write"):
        AddedStreams(tmp_path / "added.json")
    with pytest.raises(ConfigError, match="Is a directory"):
        AddedStreams(tmp_path)


def test_logins_have_names_of_their_own_and_their_secrets_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("YARD", raising=False)
    (told,) = missing_secrets(parse_site(SITE, "site.yaml"), tmp_path)
    assert told.startswith("api.logins[0].password: environment variable YARD")
    twice = "{name: yard, user: b, password: {env: B}}, {name: yard"
    with pytest.raises(ConfigError, match=r"api\.logins: 'yard' stands twice"):
        parse_site(SITE.replace("{name: yard", twice), "site.yaml")


@pytest.mark.slow
def test_added_streams_outlive_the_daemon(
    walk: Path, tiny_artefact: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YARD", LOGIN.password)
    model = {"model": str(tiny_artefact.folder), "max_fps": 5}
    api_wish = {
        "port": 0,
        "added_streams": "state/added.json",
        "logins": [{"name": "yard", "user": LOGIN.user, "password": {"env": "YARD"}}],
    }
    with running_camera([walk] * 2, login=LOGIN) as [address, idle]:
        streams = [{"name": "idle", "url": idle, "paused": True, **model}]
        site = write_site(tmp_path, streams, api=api_wish)
        own = {"user": LOGIN.user, "password": LOGIN.password}
        with running_daemon(site) as daemon:
            api = client_of(daemon)
            for fields, survives in (
                ({"name": "gate", "login_name": "yard"}, True),
                ({"name": "door", "login_name": "yard"}, True),
                ({"name": "own", "login": own}, False),
                ({"name": "gone", "login_name": "yard"}, True),
            ):
                answer = api.ask("POST", "/streams", {"url": address, **fields, **model})
                assert answer.status == 201, answer.body
                assert answer.json["survives_restart"] is survives
            both = {"name": "x", "url": address, "login": own, "login_name": "yard", **model}
            assert api.ask("POST", "/streams", both).status == 422
            assert api.ask("POST", "/streams/door/pause").status == 200
            assert api.ask("DELETE", "/streams/gone").status == 204
            assert daemon.stop() == 0
        kept = (tmp_path / "state/added.json").read_text("utf-8")
        assert LOGIN.password not in kept
        assert [one["name"] for one in json.loads(kept)["streams"]] == ["gate", "door"]
        site = write_site(tmp_path, [*streams, {**streams[0], "name": "door"}], api=api_wish)
        with running_daemon(site) as daemon:
            api = client_of(daemon)
            listed = api.get("/streams").json["streams"]
            assert [one["name"] for one in listed] == ["idle", "door", "gate"]
            assert not listed[2]["from_site_file"]
            assert "added_stream_left_out" in daemon.log
            wait_for(daemon, api, "gate", state="live")
            assert api.ask("POST", "/reload").json == {"added": [], "changed": [], "removed": []}
            _nothing_is_changed_that_cannot_be_kept(
                api, tmp_path / "state", {"url": address, **model}
            )
            assert api.ask("DELETE", "/streams/gate").status == 204
            assert daemon.stop() == 0
        assert LOGIN.password not in daemon.log
    assert [
        s["name"] for s in json.loads((tmp_path / "state/added.json").read_text())["streams"]
    ] == ["door"]


def _nothing_is_changed_that_cannot_be_kept(
    api: ApiClient, folder: Path, fields: dict[str, Any]
) -> None:
    away = folder.rename(folder.with_name("away"))
    folder.write_bytes(b"")
    for method, path, body in (
        ("POST", "/streams", {"name": "late", **fields}),
        ("POST", "/streams/gate/pause", None),
        ("DELETE", "/streams/gate", None),
    ):
        answer = api.ask(method, path, body)
        assert answer.status == 503
        assert "added.json" in answer.json["detail"]
    assert api.get("/streams/late").status == 404
    assert not api.stream("gate")["paused"]
    folder.unlink()
    away.rename(folder)
