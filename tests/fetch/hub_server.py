"""A hub on this machine: it answers as the Hugging Face hub does for files, and fails where a test asks it to."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the server holds and does; ``requests`` are (method, path, range) as they came."""

    files: dict[str, bytes] = field(default_factory=dict)
    """By ``owner/name/path``."""
    endpoint: str = ""
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which the next transfers break off; then they are whole again."""
    hang_after: int = 0
    """Bytes after which a transfer waits for ever."""
    status: int = 0
    """Refuse everything with this status."""
    wrong_hash: bool = False
    without_hash: bool = False
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    has_hung: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)

    def transfers(self) -> list[str]:
        """The ranges of the transfers that came; "" for a whole file."""
        return [span for method, path, span in self.requests if method == "GET" and path.startswith("/cdn/")]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve ``hub`` on a free port of this machine; ``endpoint`` is set."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

        def _answer(self) -> None:
            span = self.headers.get("Range", "")
            hub.requests.append((self.command, self.path, span))
            if hub.status:
                self._refuse(hub.status)
            elif self.path.startswith("/cdn/"):
                self._transfer(self.path.removeprefix("/cdn/"), span)
            else:
                self._resolve()

        def _refuse(self, status: int) -> None:
            self.send_response(status)
            code = {401: "GatedRepo", 404: "EntryNotFound"}.get(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _resolve(self) -> None:
            """The hub's own address of a file: what it is, and where its bytes are."""
            found = re.fullmatch(r"/(.+?/.+?)/resolve/main/(.+)", self.path)
            name = f"{found[1]}/{found[2]}" if found else ""
            if name not in hub.files:
                self._refuse(404)
                return
            data = hub.files[name]
            if name.endswith(".json"):  # small files lie in the repository itself, under Git's hash
                etag = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
                self.send_response(200)
                self.send_header("ETag", f'"{etag}"')
                self.send_header("Content-Length", str(len(data)))
                self.send_header("X-Repo-Commit", COMMIT)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data)
                return
            digest = "ab" * 32 if hub.wrong_hash else hashlib.sha256(data).hexdigest()
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/cdn/{name}")
            self.send_header("X-Repo-Commit", COMMIT)
            if not hub.without_hash:
                self.send_header("X-Linked-Etag", f'"{digest}"')
                self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _transfer(self, name: str, span: str) -> None:
            data = hub.files[name]
            begin = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
            self.send_response(206 if span else 200)
            self.send_header("Content-Length", str(len(data) - begin))
            if span:
                self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            end = begin + hub.cut_after.pop(0) if hub.cut_after else len(data)
            if hub.hang_after:
                self.wfile.write(data[begin : begin + hub.hang_after])
                hub.has_hung.set()
                hub.is_over.wait()
                return
            self.wfile.write(data[begin:end])
            self.wfile.flush()
            self.close_connection = True

    return Handler
