"""Asks a running daemon over its API, as programs do."""

import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.running_daemon import RunningDaemon

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        kind = self.headers.get("content-type", "")
        return kind == "application/problem+json" and bool(self.json["remedy"])


class ApiClient:
    """One daemon, asked with a new connection each time."""

    def __init__(self, address: str, token: str | None = None, trusted: Path | None = None) -> None:
        """`trusted` is the certificate that an encrypted one must show."""
        self.address = address
        self._trusted = ssl.create_default_context(cafile=trusted) if trusted else None
        parts = urlsplit(address)
        assert parts.hostname is not None
        assert parts.port is not None
        self._place = parts.hostname, parts.port
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = {**self._headers, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            sent = {"Content-Type": "application/json", **sent}
            body = json.dumps(body).encode()
        with closing(self.connection()) as line:
            line.request(method, path, body, sent)
            answer = line.getresponse()
            return Answer(answer.status, _lower(answer), answer.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def stream(self, name: str) -> dict[str, Any]:
        answer = self.get(f"/streams/{name}")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    @contextmanager
    def open(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """An answer that does not end by itself."""
        with closing(self.connection()) as line:
            line.request("GET", path, headers=self._headers)
            with line.getresponse() as answer:
                yield answer

    def events(self, path: str = "/events") -> Iterator[tuple[str, Any]]:
        """Kind and data of every event from now on."""
        with self.open(path) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            kind = ""
            for line in answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)

    def connection(self) -> http.client.HTTPConnection:
        if self._trusted is None:
            return http.client.HTTPConnection(*self._place, timeout=TIMEOUT_SECONDS)
        return http.client.HTTPSConnection(
            *self._place, timeout=TIMEOUT_SECONDS, context=self._trusted
        )


def client_of(
    daemon: RunningDaemon, token: str | None = None, trusted: Path | None = None
) -> ApiClient:
    """As soon as the daemon answers."""
    daemon.wait(lambda: "page=" in daemon.log, "the page's address")
    client = ApiClient(daemon.log.partition("page=")[2].split()[0], token, trusted)
    daemon.wait(lambda: client.get("/startup").status == 200, "the start")
    return client


def wait_for(daemon: RunningDaemon, client: ApiClient, name: str, **wanted: Any) -> dict[str, Any]:
    """The stream, as soon as these fields of it are so."""

    def is_so() -> bool:
        stream = client.stream(name)
        return all(stream[field] == value for field, value in wanted.items())

    daemon.wait(is_so, f"{name} with {wanted}")
    return client.stream(name)


def until(events: Iterator[tuple[str, Any]], is_it: Callable[[str, Any], bool]) -> Any:
    """The data of the first event that is it."""
    return next(data for kind, data in events if is_it(kind, data))


def _lower(answer: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}
