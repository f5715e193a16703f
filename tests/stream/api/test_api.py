"""The API of a real daemon that reads a real camera."""

import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from stream.api.body_limit import MAX_BODY_BYTES
from stream.daemon_metrics import DropReason
from stream.errors import LossCause
from stream.fleet.stream_machine import StreamState
from tests.command_line import REPOSITORY, posestream
from tests.free_ports import free_port
from tests.running_api import Answer, until, wait_for
from tests.running_daemon import write_site
from tests.stream.api.conftest import Served

pytestmark = pytest.mark.slow

OUTCOMES = ("inferred", "skipped", "dropped", "corrupt", "failed", "in_flight")


def wish(served: Served, **fields: Any) -> dict[str, Any]:
    return {"name": "new", "url": served.spare, "model": served.model, "max_fps": 5, **fields}


def refused(answer: Answer, status: int, kind: str) -> dict[str, Any]:
    """The problem of an answer that must be one."""
    assert answer.status == status, answer.body
    assert answer.is_problem
    problem: dict[str, Any] = answer.json
    assert problem["type"] == f"urn:posestream:problem:{kind}"
    assert problem["status"] == status
    return problem


def wrong_fields(answer: Answer) -> dict[str, str]:
    """Field -> what is wrong with it."""
    problem = refused(answer, 422, "wrong_value")
    return {error["field"]: error["problem"] for error in problem["errors"]}


def test_streams_are_listed_and_described(served: Served) -> None:
    listed = served.api.get("/streams").json["streams"]
    assert [stream["name"] for stream in listed] == ["cam"]
    cam = served.api.stream("cam")
    assert cam.keys() == listed[0].keys()
    assert cam["state"] == "live"
    assert (cam["codec"], cam["width"], cam["height"]) == ("h264", 128, 96)
    assert cam["people"] == 1
    assert cam["from_site_file"]
    assert cam["findings"][0]["words"]
    assert cam["drops"].keys() == {reason.value for reason in DropReason}


def test_the_ledger_balances(served: Served) -> None:
    ledger = served.api.get("/streams/cam/ledger").json
    assert ledger["read"] == sum(ledger[outcome] for outcome in OUTCOMES) > 0


def test_the_history_has_columns_of_equal_length(served: Served) -> None:
    served.daemon.wait(lambda: len(served.api.get("/streams/cam/history").json["times"]) > 2, "3")
    history = served.api.get("/streams/cam/history").json
    assert history.pop("events") is not None
    assert len({len(column) for column in history.values()}) == 1
    assert history["read"] == sorted(history["read"])


def test_a_snapshot_is_a_jpeg_that_is_sent_once(served: Served) -> None:
    answer = served.api.get("/streams/cam/snapshot.jpg")
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/jpeg"
    picture = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (96, 128, 3)
    # People of the clip are grey: what is coloured was drawn by us.
    saturation = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)[..., 1].astype(int)
    assert np.count_nonzero(saturation > 100) > 50
    served.api.ask("POST", "/streams/cam/pause")
    wait_for(served.daemon, served.api, "cam", state="stopped")
    last = served.api.get("/streams/cam/snapshot.jpg")
    served.daemon.wait(
        lambda: served.api.get("/streams/cam/snapshot.jpg").body == last.body, "the last picture"
    )
    tag = served.api.get("/streams/cam/snapshot.jpg").headers["etag"]
    assert served.api.get("/streams/cam/snapshot.jpg", **{"If-None-Match": tag}).status == 304
    served.api.ask("POST", "/streams/cam/resume")
    wait_for(served.daemon, served.api, "cam", state="live")


def test_a_preview_sends_one_picture_after_another(served: Served) -> None:
    with served.api.open("/streams/cam/preview.mjpeg?size=small") as answer:
        assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
        content = b""
        while content.count(b"\xff\xd8\xff") < 3:
            content += answer.read1()
    pictures = content.split(b"--picture\r\n")
    assert pictures[1] != pictures[2]


def test_a_stream_is_added_paused_resumed_and_removed(served: Served) -> None:
    added = served.api.ask("POST", "/streams", wish(served))
    assert added.status == 201, added.body
    assert added.headers["location"] == "/streams/new"
    assert not added.json["from_site_file"]
    assert not added.json["survives_restart"]
    served.daemon.wait_for_results("new", 2)
    assert served.api.ask("POST", "/streams/new/pause").json["paused"]
    assert wait_for(served.daemon, served.api, "new", state="stopped")["ledger"]["in_flight"] == 0
    assert not served.api.ask("POST", "/streams/new/resume").json["paused"]
    served.daemon.wait_for_results("new")
    assert served.api.ask("DELETE", "/streams/new").status == 204
    refused(served.api.get("/streams/new"), 404, "unknown_stream")
    assert 'stream="new"' not in served.daemon.metrics()


def test_a_stream_of_a_taken_name_is_refused(served: Served) -> None:
    answer = served.api.ask("POST", "/streams", wish(served, name="cam"))
    assert "cam" in refused(answer, 409, "stream_exists")["detail"]


def test_more_streams_than_allowed_are_refused(served: Served) -> None:
    for name in ("one", "two"):
        assert served.api.ask("POST", "/streams", wish(served, name=name)).status == 201
    answer = served.api.ask("POST", "/streams", wish(served, name="three"))
    assert "limits.streams is 3" in refused(answer, 409, "too_many_streams")["detail"]
    for name in ("one", "two"):
        assert served.api.ask("DELETE", f"/streams/{name}").status == 204


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"max_fps": 0}, "max_fps", "got 0, expected greater than 0"),
        ({"max_fps": "5"}, "max_fps", "a valid number"),
        ({"max_fp": 5}, "max_fp", "did you mean 'max_fps'?"),
        ({"name": "-x"}, "name", "letters, digits and . _ -"),
        ({"name": None}, "name", "a valid string"),
        ({"url": "/etc/passwd"}, "url", "files and webcams are for the site file"),
        ({"url": "file:///etc/passwd"}, "url", "expected one of rtsp://"),
        ({"url": "rtsp://"}, "url", "expected scheme://host/path"),
        ({"profile": "wirde"}, "profile", "did you mean 'wired'?"),
        ({"transport": "tpc"}, "transport", "did you mean 'tcp'?"),
        ({"model": "botom_up"}, "model", "did you mean 'bottom_up'?"),
        ({"model": "../../etc"}, "model", "expected the name of a model"),
        ({"model": ["../etc", "posefix"]}, "model", "expected the name of a model"),
        ({"login_name": "yard"}, "login_name", "which api.logins does not have; it has: none"),
        ({"login": {"user": "a"}}, "login.password", "missing"),
        ({"login": {"user": "a", "password": {"env": "HOME"}}}, "login.password", "a valid string"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_expected(
    served: Served, fields: dict[str, Any], field: str, words: str
) -> None:
    found = wrong_fields(served.api.ask("POST", "/streams", wish(served, **fields)))
    assert field in found
    assert words in found[field]


def test_all_wrong_fields_are_told_at_once(served: Served) -> None:
    answer = served.api.ask("POST", "/streams", {"url": "x", "max_fps": -1})
    assert wrong_fields(answer).keys() == {"name", "url", "max_fps"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"[" * 60_000, b"\xff\xfe"])
def test_a_body_that_is_no_object_is_refused(served: Served, body: bytes) -> None:
    answer = served.api.ask("POST", "/streams", body, {"Content-Type": "application/json"})
    assert answer.status in (400, 422)
    assert answer.is_problem


def test_a_body_that_is_too_large_is_refused(served: Served) -> None:
    body = json.dumps(wish(served, name="a" * MAX_BODY_BYTES)).encode()
    refused(served.api.ask("POST", "/streams", body), 413, "too_large")


def test_a_body_that_would_be_huge_is_not_read_at_all(served: Served) -> None:
    parts = urlsplit(served.api.address)
    with socket.create_connection((parts.hostname, parts.port), 20) as line:
        line.sendall(
            b"POST /streams HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
        )
        assert b" 413 " in line.recv(4096)


def test_a_body_of_unknown_length_is_refused_when_it_grows_too_large(served: Served) -> None:
    parts = urlsplit(served.api.address)
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    with socket.create_connection((parts.hostname, parts.port), 20) as line:
        line.sendall(
            b"POST /streams HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        line.sendall(chunk * 4 + b"1\r\nx\r\n0\r\n\r\n")
        assert b" 413 " in line.recv(4096)


def test_unknown_paths_and_methods_are_problems_too(served: Served) -> None:
    refused(served.api.get("/nothing"), 404, "unknown_path")
    refused(served.api.get("/page/nothing.js"), 404, "unknown_path")
    refused(served.api.get("/page/..%2fapp.py"), 404, "unknown_path")
    answer = served.api.ask("DELETE", "/streams")
    refused(answer, 405, "wrong_method")
    assert answer.headers["allow"]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("GET", "/history")):
        refused(served.api.ask(method, f"/streams/none{path}"), 404, "unknown_stream")
    refused(served.api.get("/streams/none/snapshot.jpg"), 404, "unknown_stream")
    refused(served.api.get("/streams/none/preview.mjpeg"), 404, "unknown_stream")
    found = wrong_fields(served.api.get("/streams/cam/snapshot.jpg?size=huge"))
    assert "'small', 'medium'" in found["query.size"]


def test_pages_of_other_sites_may_neither_look_nor_command(served: Served) -> None:
    def asked(method: str, **headers: str) -> Answer:
        return served.api.ask(method, "/streams/cam/pause", headers=headers)

    refused(asked("POST", Host="rebound.example"), 403, "foreign_page")
    refused(asked("POST", Origin="http://evil.example"), 403, "foreign_page")
    refused(asked("POST", Origin="null"), 403, "foreign_page")
    refused(asked("POST", **{"Sec-Fetch-Site": "cross-site"}), 403, "foreign_page")
    assert served.api.get("/streams").headers["cross-origin-resource-policy"] == "same-origin"
    assert not served.api.stream("cam")["paused"]


def test_probes_tell_that_all_is_well(served: Served) -> None:
    for path in ("/live", "/ready", "/startup"):
        answer = served.api.get(path)
        assert (answer.status, answer.json) == (200, {"ok": True, "reasons": []})


def test_the_system_tells_of_engine_processes_sinks_and_stages(served: Served) -> None:
    system = served.api.get("/system").json
    assert system["engine"]["is_ready"]
    assert {one["name"] for one in system["processes"]} >= {"engine", "decoder-0"}
    assert [sink["name"] for sink in system["sinks"]] == ["jsonl"]
    assert {"queue", "infer", "publish"} <= {stage["name"] for stage in system["stages"]}


def test_events_tell_of_changes_at_once_and_of_everything_each_second(served: Served) -> None:
    events = served.api.events()
    first = until(events, lambda kind, _: kind == "streams")
    assert [stream["name"] for stream in first["streams"]] == ["cam"]
    assert until(events, lambda kind, _: kind == "system")["version"]
    served.api.ask("POST", "/streams/cam/pause")
    told = until(events, lambda kind, data: kind == "happened" and data["kind"] == "state")
    assert (told["stream"], told["fields"]["state"]) == ("cam", "stopped")
    served.api.ask("POST", "/streams/cam/resume")
    until(events, lambda kind, data: kind == "streams" and data["streams"][0]["state"] == "live")
    events.close()  # type: ignore[attr-defined]


def test_a_reload_takes_the_site_file_and_leaves_added_streams(served: Served) -> None:
    api, folder = served.api, served.daemon.folder
    assert api.ask("POST", "/streams", wish(served)).status == 201
    file = folder / "site.yaml"
    before = file.read_text("utf-8")
    file.write_text(before.replace("max_fps: 5", "max_fps: 4"), "utf-8")
    assert api.ask("POST", "/reload").json == {"added": [], "changed": ["cam"], "removed": []}
    assert api.stream("new")["name"] == "new"
    file.write_text(before.replace("max_fps: 5", "max_fps: -4"), "utf-8")
    problem = refused(api.ask("POST", "/reload"), 422, "wrong_site_file")
    assert problem["errors"][0]["field"] == "streams[0].max_fps"
    assert api.stream("cam")["max_fps"] == 4
    file.write_text(before, "utf-8")
    assert api.ask("POST", "/reload").json["changed"] == ["cam"]
    assert api.ask("DELETE", "/streams/new").status == 204


def test_a_lost_stream_says_why_and_what_helps(served: Served) -> None:
    url = f"rtsp://127.0.0.1:{free_port()}/cam"
    assert served.api.ask("POST", "/streams", wish(served, url=url)).status == 201
    lost = wait_for(served.daemon, served.api, "new", cause=LossCause.NETWORK.value)
    assert lost["last_loss"]
    served.daemon.wait(
        lambda: served.api.stream("new")["findings"][0]["remedy"].startswith("Check host"), "advice"
    )
    assert served.api.ask("DELETE", "/streams/new").status == 204


def test_the_api_describes_itself(served: Served) -> None:
    described = served.api.get("/openapi.json").json
    assert described["openapi"].startswith("3.")
    ledger = described["paths"]["/streams/{name}/ledger"]["get"]
    assert ledger["operationId"] == "read_ledger"
    assert "Problem" in described["components"]["schemas"]
    states = described["components"]["schemas"]["StreamAnswer"]["properties"]["state"]
    assert all(state.value in states["description"] for state in StreamState)


def test_the_page_asks_no_other_host(served: Served) -> None:
    answer = served.api.get("/")
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    folder = REPOSITORY / "stream/api/page"
    for file in folder.iterdir():
        part = served.api.get(f"/page/{file.name}")
        assert part.body == file.read_bytes()
        # A name of XML, and what stands in an empty field of the form; neither is asked for.
        others = part.body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"://" not in others.replace(b'"rtsp://192.0.2.7/live"', b"")
        tag = part.headers["etag"]
        assert served.api.get(f"/page/{file.name}", **{"If-None-Match": tag}).status == 304


def test_a_taken_port_keeps_the_daemon_from_starting(served: Served, tmp_path: Path) -> None:
    port = urlsplit(served.api.address).port
    site = write_site(tmp_path, [], api={"port": port})
    done = posestream("serve", "-c", site, cwd=tmp_path)
    assert done.returncode == 2
    assert f"api.port {port} on 127.0.0.1: cannot be used" in done.stderr
