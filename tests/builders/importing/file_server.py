"""A web server with one file, which answers as badly as it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What it has, how it behaves, and what it was asked."""

    contents: bytes
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers end; whole ones follow."""
    knows_ranges: bool = True
    says_length: bool = True
    status: int = 200
    silent: bool = False
    asked: list[str] = field(default_factory=list)
    """The range header of every request."""
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(server: FileServer) -> Iterator[FileServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, server)

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listener.server_port}/weights-0123abcd.pth"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        listener.shutdown()
        listener.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, server: FileServer) -> None:
    wanted = handler.headers.get("Range", "")
    server.asked.append(wanted)
    if server.silent:
        server.released.wait()
        return
    if server.status != 200:
        handler.send_error(server.status)
        return
    start = int(wanted.removeprefix("bytes=").removesuffix("-") or 0) if server.knows_ranges else 0
    if start >= len(server.contents) > 0:
        handler.send_error(416)
        return
    body = server.contents[start:]
    handler.send_response(206 if start else 200)
    if server.says_length:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    cut = server.cut_after.pop(0) if server.cut_after else len(body)
    handler.wfile.write(body[:cut])
