"""A captioner over loopback that speaks like llama.cpp, Ollama and vLLM, and misbehaves on demand.

It really looks at what it gets: the answer names the size and the mean colour of the decoded JPEG.
"""

import base64
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

from PIL import Image, ImageStat

Behave = Callable[["Handler", str], None]


@dataclass
class Vision:
    """What the server does.

    Attributes:
        url: Its base address.
        models: Names that it offers.
        plan: What the next requests get, one after another; then all are answered well.
        always: What every request gets once the plan is over.
        key: Requests need it when not empty.
        answer: The sentence; ``{size}`` and ``{colour}`` are those of the image.
        requests: Bodies of chat requests, in the order they came.
        keys: Authorization of each request.
        gate: Answers of ``held`` wait for it.
        busy: How many requests are being answered, and how many ever were at once.
    """

    url: str = ""
    models: list[str] = field(default_factory=lambda: ["tiny-vision"])
    plan: list[str] = field(default_factory=list)
    always: str = "well"
    key: str = ""
    answer: str = "A {colour} picture of {size} pixels lies here."
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    gate: Event = field(default_factory=Event)
    arrived: Event = field(default_factory=Event)
    busy: tuple[int, int] = (0, 0)
    lock: Lock = field(default_factory=Lock)

    @property
    def prompts(self) -> list[str]:
        """What was asked, in words."""
        return [body["messages"][-1]["content"][0]["text"] for body in self.requests]


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    vision: Vision
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """List the models."""
        self.vision.keys.append(self.headers.get("Authorization", ""))
        if not self.path.endswith("/v1/models"):
            self.reply(404, {"error": {"message": "no such path"}})
        else:
            self.reply(200, {"data": [{"id": name} for name in self.vision.models]})

    def do_POST(self) -> None:
        """Answer a question, well or not."""
        vision = self.vision
        data = self.rfile.read(size := int(self.headers["Content-Length"]))
        if len(data) < size:  # the client has gone
            return
        body = json.loads(data)
        with vision.lock:
            vision.requests.append(body)
            vision.keys.append(self.headers.get("Authorization", ""))
            how = vision.plan.pop(0) if vision.plan else vision.always
            vision.busy = vision.busy[0] + 1, max(vision.busy[1], vision.busy[0] + 1)
        vision.arrived.set()
        try:
            if vision.key and self.headers.get("Authorization") != f"Bearer {vision.key}":
                told = f"Incorrect API key provided: {self.headers.get('Authorization')}"
                self.reply(401, {"error": {"message": told}})
            else:
                BEHAVIOURS[how](self, self.describe(body))
        finally:
            with vision.lock:
                vision.busy = vision.busy[0] - 1, vision.busy[1]

    def describe(self, body: dict[str, Any]) -> str:
        """Look at the image."""
        (part,) = (p for p in body["messages"][-1]["content"] if p["type"] == "image_url")
        head, _, data = part["image_url"]["url"].partition(",")
        assert head == "data:image/jpeg;base64"
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        assert image.format == "JPEG"
        red, _, blue = ImageStat.Stat(image.convert("RGB")).mean
        colour = "red" if red > blue else "blue"
        return self.vision.answer.format(size=f"{image.width} x {image.height}", colour=colour)

    def reply(self, status: int, body: object, **headers: str) -> None:
        """Send a whole answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        """Begin to stream; the end of the connection is the end of the stream."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()

    def piece(self, text: str, reason: str | None = None) -> None:
        """Send one piece of an answer."""
        self.event({"choices": [{"delta": {"content": text}, "finish_reason": reason}]})

    def event(self, data: object) -> None:
        """Send one event."""
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())


def _well(handler: Handler, text: str, reason: str = "stop") -> None:
    handler.begin()
    handler.wfile.write(b": a comment\n\n")
    handler.event({"choices": [{"delta": {"role": "assistant", "content": None}}]})
    for word in text.split(" "):
        handler.piece(word + " ")
    handler.piece("", reason)
    handler.event({"choices": [], "usage": {"total_tokens": 7}})
    handler.wfile.write(b"data: [DONE]\n\n")


def _cut_off(handler: Handler, text: str) -> None:
    handler.begin()
    handler.piece(text[:5])


def _short_body(handler: Handler, _: str) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


def _broken(handler: Handler, _: str) -> None:
    handler.begin()
    handler.wfile.write(b'data: {"choices": [{"delta":\n\n')


def _fails_midway(handler: Handler, text: str) -> None:
    handler.begin()
    handler.piece(text[:5])
    handler.event({"error": {"message": "out of memory"}})


def _endless(handler: Handler, _: str) -> None:
    handler.begin()
    while True:  # until the client hangs up
        handler.wfile.write(b": still here\n" * 10_000)


def _held(handler: Handler, text: str) -> None:
    handler.vision.gate.wait(60)
    _well(handler, text)


def _whole(handler: Handler, text: str) -> None:
    handler.reply(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})


def _status(code: int, message: str = "busy", **headers: str) -> Behave:
    return lambda handler, _: handler.reply(code, {"error": {"message": message}}, **headers)


BEHAVIOURS: dict[str, Behave] = {
    "well": _well,
    "whole": _whole,
    "too long": lambda handler, text: _well(handler, text + " And then it goes on", "length"),
    "thinks": lambda handler, text: _well(handler, f'<think>hm, "{text}"</think>\n\n"{text}"'),
    "only thinks": lambda handler, _: _well(handler, "<think>hm"),
    "cut off": _cut_off,
    "short body": _short_body,
    "broken": _broken,
    "not json": lambda handler, _: handler.reply(200, b"<html>hello"),
    "list": lambda handler, _: handler.reply(200, ["hello"]),
    "fails midway": _fails_midway,
    "held": _held,
    "endless": _endless,
    "500": _status(500),
    "503": _status(503, Retry_After="0"),
    "429": _status(429, "slow down", Retry_After="1"),
    "400": _status(400, "image input is not supported"),
    "307": _status(307, "over there", Location="http://elsewhere.example/v1"),
    "404": _status(404, "model not found"),
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that have gone, which is what some tests are about."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            raise error


@contextmanager
def vision_server() -> Iterator[Vision]:
    """Run a server while the block runs."""
    vision = Vision()
    kind = type("Bound", (Handler,), {"vision": vision})
    with _Server(("127.0.0.1", 0), kind) as server:
        vision.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield vision
        finally:
            vision.gate.set()
            server.shutdown()
            thread.join()
