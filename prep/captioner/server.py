"""A client of OpenAI-compatible servers: an image and a prompt, a streamed answer.

It uses what llama.cpp, Ollama and vLLM have in common: ``POST chat/completions`` with the image
as a data URL and ``stream``; server-sent events that end in ``[DONE]``. Streaming
distinguishes a slow server from a dead one, and an interrupted answer from a complete one.
Redirects are not followed, so that a key never goes to a machine other than the one given.
"""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from prep.captioner.faults import NoAnswerError, not_http, of_status
from prep.errors import ConfigError
from prep.texts import parse_json

_LONGEST_LINE = 1 << 20
_LONGEST_BODY = 1 << 24
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ModelAnswer:
    """The model's answer; ``cut`` means that it was truncated for length."""

    text: str
    cut: bool = False


@dataclass
class Server:
    """An OpenAI-compatible endpoint.

    Attributes:
        url: Its base address, such as ``http://127.0.0.1:8080/v1``.
        key: Sent as a bearer token if not empty; never shown.
        timeout: Seconds without a byte after which a request fails.
    """

    url: str
    key: str = field(default="", repr=False)
    timeout: float = 120.0
    _live: set[http.client.HTTPConnection] = field(default_factory=set, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)
    _closed: bool = False

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            ConfigError: It is not a valid address, or contains a key.
        """
        parts = urlsplit(self.url)
        try:
            port_is_fine = parts.port != 0
        except ValueError:
            port_is_fine = False
        if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
            raise ConfigError(
                f"{self.url!r} is not a server address.",
                "Give one such as http://127.0.0.1:8080/v1",
            )
        if parts.username or parts.password or parts.query:
            raise ConfigError(
                "The server address contains a user, a key or a query.",
                "Addresses are shown and stored. Put a key into SHIKOMI_API_KEY.",
            )

    @property
    def is_here(self) -> bool:
        """Return whether it is on this machine."""
        return urlsplit(self.url).hostname in _LOCAL

    @property
    def is_private(self) -> bool:
        """Return whether nobody on the network can read what is sent."""
        return self.is_here or urlsplit(self.url).scheme == "https"

    def models(self) -> list[str]:
        """Return the names of the models that it offers.

        Raises:
            NoAnswerError: It cannot be reached, or returns no list.
        """
        with self._response("GET", "models", None) as response:
            data = _json(_body(response))
        listed = data.get("data", data.get("models")) if isinstance(data, dict) else None
        if not isinstance(listed, list):
            raise NoAnswerError("the server returned no list of models", final=True)
        found = (m.get("id", m.get("name")) for m in listed if isinstance(m, dict))
        return [str(name) for name in found if name]

    def ask(self, request: dict[str, Any]) -> ModelAnswer:
        """Send one chat request and wait for the complete answer.

        Args:
            request: Its body; ``stream`` is added.

        Raises:
            NoAnswerError: There is no complete answer; says whether a retry may help.
        """
        with self._response("POST", "chat/completions", request | {"stream": True}) as response:
            kind = response.headers.get_content_type()
            if kind == "text/event-stream":
                return _streamed(response)
            return _whole(_json(_body(response)))

    def close(self) -> None:
        """Abort all requests; threads that wait for answers get a ``NoAnswerError``."""
        with self._lock:
            self._closed = True
            for connection in self._live:
                if connection.sock is not None:
                    with suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _response(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> Iterator[http.client.HTTPResponse]:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(str(parts.hostname), parts.port, timeout=self.timeout)
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, */*"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = None if body is None else json.dumps(body).encode()
        try:
            self._begin(connection)
            connection.request(method, f"{parts.path.rstrip('/')}/{path}", data, headers)
            response = connection.getresponse()
            if response.status != http.client.OK:
                text = response.read(_LONGEST_LINE).decode("utf-8", "replace")
                raise of_status(response.status, text, response.headers, self.key)
            yield response
        except (OSError, http.client.HTTPException) as error:
            raise not_http(error, self.url, self.timeout) from error
        finally:
            with self._lock:
                self._live.discard(connection)
            connection.close()

    def _begin(self, connection: http.client.HTTPConnection) -> None:
        connection.connect()
        with self._lock:
            if self._closed:
                raise NoAnswerError("the run was stopped", final=True)
            self._live.add(connection)


def _streamed(response: http.client.HTTPResponse) -> ModelAnswer:
    """Join the chunks of a streamed answer, which must be terminated."""
    pieces: list[str] = []
    reason, size = "", 0
    while line := response.readline(_LONGEST_LINE):
        size += len(line)
        if size > _LONGEST_BODY:
            raise NoAnswerError("the answer has no end")
        name, _, value = line.decode("utf-8", "replace").strip().partition(":")
        value = value.strip()
        if name != "data" or not value:
            continue  # comments keep the connection alive
        if value == "[DONE]":
            return ModelAnswer("".join(pieces), reason == "length")
        data = _json(value)
        choice = _choice(data)
        if choice is None:
            continue  # token usage
        delta = choice.get("delta")
        piece = delta.get("content") if isinstance(delta, dict) else None
        pieces.append(piece if isinstance(piece, str) else "")
        reason = choice.get("finish_reason") or reason
    if reason:
        return ModelAnswer("".join(pieces), reason == "length")
    raise NoAnswerError("the answer was interrupted")


def _whole(data: Any) -> ModelAnswer:
    """Read an answer from a server that does not stream."""
    choice = _choice(data)
    message = choice.get("message") if choice is not None else None
    text = message.get("content") if isinstance(message, dict) else None
    if choice is None or not isinstance(text, str):
        raise NoAnswerError("the server returned no answer")
    return ModelAnswer(text, choice.get("finish_reason") == "length")


def _choice(data: Any) -> dict[str, Any] | None:
    """Return the first choice in a message.

    Raises:
        NoAnswerError: The message reports an error, as servers do once streaming has begun.
    """
    if not isinstance(data, dict):
        raise NoAnswerError("the server sent something other than JSON objects")
    if error := data.get("error"):
        message = error.get("message", "") if isinstance(error, dict) else error
        raise NoAnswerError(f"the server failed: {message or 'no reason given'}")
    choices = data.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None


def _body(response: http.client.HTTPResponse) -> str:
    data = response.read(_LONGEST_BODY)
    if response.length:  # http.client reports this only when reading to the end
        raise NoAnswerError("the answer was interrupted")
    return data.decode("utf-8", "replace")


def _json(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise NoAnswerError("the server sent broken JSON") from error
