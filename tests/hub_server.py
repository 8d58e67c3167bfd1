"""A small faithful Hub on loopback, for the real clients: huggingface_hub, datasets, transformers, vLLM.

    with serve() as hub:
        hub.user("ada", "hf_ada")
        hub.break_next("commit", 500, times=2)
        subprocess.run(..., env=os.environ | hub.environment("hf_ada", tmp_path))

Standard library alone. Large files are answered with a redirect to another host name, as huggingface.co does.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_api import route
from tests.hub_state import CUT, Answer, Hub, Request, User
from tests.hub_store import Refused


@contextmanager
def serve() -> Iterator[Hub]:
    """A running Hub on a free port."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _serve(self) -> None:
        split = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._read(headers)
        parts = [unquote(part) for part in split.path.strip("/").split("/")]
        hub = self.hub
        with hub.lock:
            name, action = route(self.command, parts)
            fault = next((f for f in hub.faults if f.endpoint == name and f.times), None)
            if fault is not None:
                fault.times -= 1
            if fault is not None and not fault.after:
                answer = None
            else:
                try:
                    user = _who(hub, headers)
                    query = parse_qs(split.query)
                    answer = action(hub, Request(self.command, split.path, parts, query, headers, body, user))
                except Refused as refused:
                    answer = _refusal(refused)
            if fault is not None:
                answer = None if fault.kind == CUT else _broken(int(fault.kind), fault.headers)
            hub.log.append((name, self.command, split.path, CUT if answer is None else answer.status))
        if answer is None:
            self.close_connection = True
            self.connection.close()
            return
        self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def _read(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", ""):
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(headers.get("content-length", 0)))

    def _send(self, answer: Answer) -> None:
        raw = isinstance(answer.body, bytes)
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"Content-Type": "application/octet-stream" if raw else "application/json", **answer.headers}
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _refusal(refused: Refused) -> Answer:
    headers = {"X-Error-Message": refused.message}
    if refused.code:
        headers["X-Error-Code"] = refused.code
    return Answer({"error": refused.message, **refused.body}, refused.status, headers)


def _broken(status: int, headers: Mapping[str, str]) -> Answer:
    message = {429: "Too Many Requests", 500: "Internal Server Error"}.get(status, f"injected {status}")
    return Answer({"error": message}, status, {"X-Error-Message": message, **headers})


def _who(hub: Hub, headers: Mapping[str, str]) -> User | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if not scheme:
        return None
    if token not in hub.users:
        raise Refused(401, "Invalid credentials in Authorization header")
    return hub.users[token]
