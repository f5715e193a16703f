"""Two thousand requests that make no sense, and a few that are none: nothing crashes."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from random import Random
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.running_api import wait_for
from tests.stream.api.conftest import Served

pytestmark = pytest.mark.slow

REQUESTS = 2000
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW")
PATHS = (
    "/streams",
    "/streams/{}",
    "/streams/{}/pause",
    "/streams/{}/resume",
    "/streams/{}/ledger",
    "/streams/{}/history",
    "/streams/{}/snapshot.jpg",
    "/streams/{}/preview.mjpeg",
    "/system",
    "/reload",
    "/live",
    "/ready",
    "/openapi.json",
    "/",
    "/page/{}",
    "/{}",
)
ENDLESS = {("GET", "/events"), ("GET", "/streams/cam/preview.mjpeg")}
WORDS = (
    "cam", "new", "..", "%00", "\u0000", "\ud800", "a" * 9000, "", " ", "-1", "nan", "caf\u00e9",
    "'; --", "<script>", "${x}", "\U0001f600", "../../etc/passwd", "%", "cam/../cam", "__class__",
)  # fmt: skip
HARMLESS = "rtsp://127.0.0.1:9/none"
"""Nobody listens there: a wish that is right by chance reaches nobody."""


def value(random: Random, depth: int = 0) -> Any:
    plain = [None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**400, *WORDS]
    if depth > 2 or random.random() < 0.7:
        return random.choice(plain)
    if random.random() < 0.5:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    return {random.choice(WORDS): value(random, depth + 1) for _ in range(random.randrange(4))}


def body(random: Random) -> bytes | None:
    """None, noise, JSON of anything, or a good wish with some fields spoilt."""
    kind = random.randrange(5)
    if kind == 0:
        return None
    if kind == 1:
        return random.randbytes(random.randrange(200))
    if kind == 2:
        return json.dumps(value(random)).encode()
    fields = ["name", "url", "login", "transport", "profile", "max_fps", "model", "paused", "x"]
    fields.append("login_name")
    wish: dict[str, Any] = {"name": "new", "url": HARMLESS}
    for field in random.sample(fields, random.randrange(1, 4)):
        spoilt = value(random)
        is_address = field == "url" and isinstance(spoilt, str)
        wish[field] = f"rtsp://{spoilt}@127.0.0.1:9/{spoilt}" if is_address else spoilt
    whole = json.dumps(wish).encode()
    return whole[: random.randrange(len(whole))] if kind == 3 else whole


def headers(random: Random) -> dict[str, str]:
    found = {"Content-Type": random.choice(["application/json", "text/plain", "", "a/b; c=\xe9"])}
    for name in ("Authorization", "If-None-Match", "Origin", "Host", "Range", "X-Forwarded-For"):
        if random.random() < 0.1:
            found[name] = random.choice(["", "Bearer x", "*", '"', "http://a", "\xff" * 9, "[::1"])
    return found


def requests(random: Random) -> Iterator[tuple[str, str]]:
    made = 0
    while made < REQUESTS:
        name = quote(
            random.choice(WORDS).encode("utf-8", "surrogatepass"), safe="/%" if made % 2 else ""
        )
        path = random.choice(PATHS).replace("{}", name.replace("%25", "%") if made % 3 else name)
        if random.random() < 0.1:
            path += (
                "?" + quote(random.choice(WORDS).encode("utf-8", "surrogatepass")) + "=%zz&size=9"
            )
        method = random.choice(METHODS)
        # Only the camera of all tests is kept from harm.
        if (method, path) in ENDLESS or (method != "GET" and path.startswith("/streams/cam")):
            continue
        made += 1
        yield method, path


def test_two_thousand_requests_crash_nothing(served: Served) -> None:
    random, statuses = Random(4), set()  # noqa: S311 - the same ones each time
    line = served.api.connection()
    before = served.daemon.children()
    reconnects = served.api.stream("cam")["reconnects"]
    with closing(line):
        for method, path in requests(random):
            sent = headers(random)
            try:
                line.request(method, path, body(random), sent)
                answer = line.getresponse()
                content = answer.read()
            except (HTTPException, OSError, ValueError):  # what a client refuses to send or read
                line.close()
                continue
            statuses.add(answer.status)
            assert answer.status < 500, (method, path, content)
            if answer.status >= 400 and method != "HEAD" and content[:1] == b"{":
                assert answer.headers["content-type"] == "application/problem+json", (method, path)
                problem = json.loads(content)
                assert problem["remedy"], problem
            if answer.will_close:
                line.close()
    assert {200, 404, 405, 422} <= statuses
    for stream in served.api.get("/streams").json["streams"]:
        if stream["name"] != "cam":
            assert served.api.ask("DELETE", f"/streams/{quote(stream['name'])}").status == 204
    wait_for(served.daemon, served.api, "cam", state="live")
    assert served.api.stream("cam")["reconnects"] == reconnects
    assert set(before) <= set(served.daemon.children()), "no process had to be started anew"
    assert "Traceback" not in served.daemon.log
    assert "request_failed" not in served.daemon.log


def test_what_is_no_http_at_all_crashes_nothing(served: Served) -> None:
    random = Random(5)  # noqa: S311 - the same noise each time
    parts = urlsplit(served.api.address)
    good = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for size in range(60):
        noise = bytearray(good * 3) if size % 2 else bytearray(random.randbytes(size * 40))
        for _ in range(size % 7):
            noise[random.randrange(len(noise))] = random.randrange(256) if noise else 0
        with socket.create_connection((parts.hostname, parts.port), 20) as line:
            line.sendall(bytes(noise))
            if size % 3:
                line.shutdown(socket.SHUT_WR)
                while line.recv(65536):
                    pass
    assert served.api.get("/live").status == 200
    assert "Traceback" not in served.daemon.log


def test_a_listener_that_leaves_is_forgotten(served: Served) -> None:
    for _ in range(80):  # more than may listen at once
        with served.api.open("/events") as answer:
            assert answer.status == 200
            assert answer.readline()
    assert served.api.get("/live").status == 200
