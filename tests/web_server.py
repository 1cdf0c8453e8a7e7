"""A web server on this machine that breaks off, forgets ranges, lies and refuses, as it is told."""

import hashlib
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

CONTENT = random.Random(828).randbytes(300_000)
ETAG = '"828"'


def md5_of(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@dataclass
class Answer:
    """How the server answers one request."""

    status: int = 200
    "200 serves the file, in part where a range was asked for."
    knows_ranges: bool = True
    breaks_after: int | None = None
    "Close the connection after so many bytes of the body."
    content: bytes | None = None
    "Serve this instead of the file."
    shift: int = 0
    "Begin a part so many bytes too late."
    headers: dict[str, str] = field(default_factory=dict)


class WebServer(ThreadingHTTPServer):
    """Serves `files` on 127.0.0.1; answers come from `script` first and are `default` afterwards."""

    daemon_threads = False  # closing the server then waits for its connections

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {"file.csv": CONTENT}
        self.script: list[Answer] = []
        self.default = Answer()
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self) -> list[str]:
        return [headers.get("range", "") for _, headers in self.requests]


class _Handler(BaseHTTPRequestHandler):
    server: WebServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        pass

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.path, headers))
        answer = self.server.script.pop(0) if self.server.script else self.server.default
        content = self.server.files.get(self.path.lstrip("/")) if answer.content is None else answer.content
        if answer.status != 200 or content is None:
            self._send(answer.status if answer.status != 200 else 404, b"", answer)
            return
        start = 0
        if answer.knows_ranges and "range" in headers and headers.get("if-range", ETAG) == ETAG:
            start = int(headers["range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self._send(416, b"", answer)
                return
        self._send(206 if start else 200, content[start + answer.shift if start else 0 :], answer)

    def _send(self, status: int, body: bytes, answer: Answer) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body)), "ETag": ETAG} | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: answer.breaks_after])


@contextmanager
def serving() -> Iterator[WebServer]:
    with WebServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
