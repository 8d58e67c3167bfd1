"""An OpenAI-compatible chat server for tests: one of rotbot's engines behind the three paths that clients use."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rotbot.inference import Engine, Sampling

NAME = "served"


class ChatHandler(BaseHTTPRequestHandler):
    """Lists one model, and answers with JSON; what it says to a request's ``body`` is its subclasses' ``chat``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": NAME, "object": "model"}]})
        else:
            self.answer(404, {"error": {"message": f"no such path: {self.path}"}})

    def do_POST(self):
        self.chat(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, status, data):
        """Send ``data``: text as it is, anything else as JSON. Who asked may have left."""
        text = (data if isinstance(data, str) else json.dumps(data)).encode()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    def log_message(self, *arguments):
        pass


@contextmanager
def listening(handler: type[ChatHandler]) -> Iterator[str]:
    """Serve on loopback: the base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(engine: Engine) -> Iterator[tuple[str, list[dict]]]:
    """Serve ``engine`` on loopback: the base URL and the list that the bodies of all requests go to."""
    requests: list[dict] = []
    lock = threading.Lock()  # engines are not made for several threads

    class Handler(ChatHandler):
        def chat(self, body):
            with lock:
                requests.append(body)
                if body["model"] != NAME:
                    self.answer(400, {"error": {"message": f"no such model: {body['model']}"}})
                    return
                sampling = Sampling(
                    max_tokens=body.get("max_tokens") or body.get("max_completion_tokens") or 256,
                    temperature=body.get("temperature") or 0.0,
                    top_p=body.get("top_p") or 1.0,
                    seed=body.get("seed") or 0,
                )
                made = engine.generate([body["messages"]], sampling)[0]
            message = {"role": "assistant", "content": made.text}
            choice = {"index": 0, "message": message, "finish_reason": made.finish_reason, "logprobs": None}
            usage = {"prompt_tokens": 1, "completion_tokens": len(made.tokens), "total_tokens": 1 + len(made.tokens)}
            data = {"id": "chat-1", "object": "chat.completion", "created": 0, "model": NAME, "choices": [choice]}
            self.answer(200, data | {"usage": usage})

    with listening(Handler) as url:
        yield url, requests
