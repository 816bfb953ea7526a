"""One request to an OpenAI-compatible server: an image and a question, a streamed answer.

Spoken is what llama.cpp, Ollama and vLLM have in common: ``POST chat/completions`` with the image
as a data URL and ``stream``; server-sent events that end in ``[DONE]``. An answer that is
streamed tells a slow server from a dead one, and one that was cut off from one that is whole.
Redirects are not followed, so that a key never goes to another machine than the one named.
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

_LONGEST_LINE = 1 << 20
_LONGEST_BODY = 1 << 24
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ModelAnswer:
    """What the model said; ``cut``: it ended because it became too long."""

    text: str
    cut: bool = False


@dataclass
class Server:
    """An endpoint.

    Attributes:
        url: Its base address, as ``http://127.0.0.1:8080/v1``.
        key: Sent as a bearer token when not empty; never shown.
        timeout: Seconds without a byte.
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
            ConfigError: It is none, or has a key in it.
        """
        parts = urlsplit(self.url)
        try:
            port_is_fine = parts.port != 0
        except ValueError:
            port_is_fine = False
        if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
            raise ConfigError(
                f"{self.url!r} is no address of a server.", "Give one as http://127.0.0.1:8080/v1"
            )
        if parts.username or parts.password or parts.query:
            raise ConfigError(
                "The address of the server has a user, key or question in it.",
                "Addresses are shown and stored. Put a key into SHIKOMI_API_KEY.",
            )

    @property
    def is_here(self) -> bool:
        """Is it on this machine?"""
        return urlsplit(self.url).hostname in _LOCAL

    @property
    def is_private(self) -> bool:
        """Can nobody on the way read what is sent?"""
        return self.is_here or urlsplit(self.url).scheme == "https"

    def models(self) -> list[str]:
        """Return the names of the models that it offers.

        Raises:
            NoAnswerError: It cannot be reached, or gives no list.
        """
        with self._response("GET", "models", None) as response:
            data = _json(_body(response))
        listed = data.get("data", data.get("models")) if isinstance(data, dict) else None
        if not isinstance(listed, list):
            raise NoAnswerError("the server gave no list of models", final=True)
        found = (m.get("id", m.get("name")) for m in listed if isinstance(m, dict))
        return [str(name) for name in found if name]

    def ask(self, request: dict[str, Any]) -> ModelAnswer:
        """Send one chat request and wait for the whole answer.

        Args:
            request: Its body; ``stream`` is added.

        Raises:
            NoAnswerError: There is no whole answer; it says whether asking again may help.
        """
        with self._response("POST", "chat/completions", request | {"stream": True}) as response:
            kind = response.headers.get_content_type()
            if kind == "text/event-stream":
                return _streamed(response)
            return _whole(_json(_body(response)))

    def close(self) -> None:
        """Break off all requests; threads that wait for answers get a ``NoAnswerError``."""
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
                raise NoAnswerError("the work was ended", final=True)
            self._live.add(connection)


def _streamed(response: http.client.HTTPResponse) -> ModelAnswer:
    """Put the pieces of an answer together; the end must have been announced."""
    pieces: list[str] = []
    reason = ""
    while line := response.readline(_LONGEST_LINE):
        name, _, value = line.decode("utf-8", "replace").strip().partition(":")
        value = value.strip()
        if name != "data" or not value:
            continue  # comments keep the connection alive
        if value == "[DONE]":
            return ModelAnswer("".join(pieces), reason == "length")
        data = _json(value)
        choice = _choice(data)
        if choice is None:
            continue  # how many tokens were used
        delta = choice.get("delta")
        piece = delta.get("content") if isinstance(delta, dict) else None
        pieces.append(piece if isinstance(piece, str) else "")
        reason = choice.get("finish_reason") or reason
        if sum(map(len, pieces)) > _LONGEST_BODY:
            raise NoAnswerError("the answer does not end")
    if reason:
        return ModelAnswer("".join(pieces), reason == "length")
    raise NoAnswerError("the answer broke off")


def _whole(data: Any) -> ModelAnswer:
    """Read an answer that came in one piece, from a server that does not stream."""
    choice = _choice(data)
    message = choice.get("message") if choice is not None else None
    text = message.get("content") if isinstance(message, dict) else None
    if choice is None or not isinstance(text, str):
        raise NoAnswerError("the server gave no answer")
    return ModelAnswer(text, choice.get("finish_reason") == "length")


def _choice(data: Any) -> dict[str, Any] | None:
    """Return the first choice of a message.

    Raises:
        NoAnswerError: The message tells of an error: servers that have begun to stream do that.
    """
    if not isinstance(data, dict):
        raise NoAnswerError("the server sent something else than JSON objects")
    if error := data.get("error"):
        told = error.get("message", "") if isinstance(error, dict) else error
        raise NoAnswerError(f"the server failed: {told or 'without a reason'}")
    choices = data.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None


def _body(response: http.client.HTTPResponse) -> str:
    data = response.read(_LONGEST_BODY)
    if response.length:  # http.client tells only when it reads to the end
        raise NoAnswerError("the answer broke off")
    return data.decode("utf-8", "replace")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise NoAnswerError("the server sent broken JSON") from error
