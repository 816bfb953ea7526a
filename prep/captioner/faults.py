"""Faults of requests to a captioner: messages, and whether a retry may help."""

import re
from email.message import Message
from http.client import HTTPException

from prep.texts import parse_json

_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT = 60.0
_SHOWN = 300


class NoAnswerError(Exception):
    """A request failed.

    Attributes:
        reason: Why, as a clause.
        final: A retry would not help.
        fatal: Other images would fail as well: the key, the address or the model is wrong.
        unreachable: The server cannot be reached.
        wait: Seconds that the server asks to wait before the next attempt.
    """

    def __init__(
        self,
        reason: str,
        *,
        final: bool = False,
        fatal: bool = False,
        unreachable: bool = False,
        wait: float = 0.0,
    ) -> None:
        super().__init__(reason)
        self.reason, self.final, self.fatal = reason, final or fatal, fatal
        self.unreachable, self.wait = unreachable, wait


def of_status(status: int, body: str, headers: Message, key: str) -> NoAnswerError:
    """Return the fault for an HTTP status other than 200.

    Args:
        status: HTTP status.
        body: Body of the response.
        headers: Headers of the response.
        key: The key, removed from the message if the server repeats it.
    """
    message = hide(_message_in(body), key)
    said = f"the server answered {status}" + (f": {message}" if message else "")
    if status in (401, 403):
        return NoAnswerError(f"{said} (is SHIKOMI_API_KEY the right key?)", fatal=True)
    if status == 404:
        return NoAnswerError(f"{said} (are the address and the model right?)", fatal=True)
    if 300 <= status < 400:
        to = headers.get("Location", "elsewhere")
        return NoAnswerError(f"the server redirects to {to}; use that address", fatal=True)
    if status in _BUSY:
        text = headers.get("Retry-After", "")
        wait = min(float(text), _LONGEST_WAIT) if text.isdecimal() else 0.0
        return NoAnswerError(said, wait=wait)
    return NoAnswerError(said, final=True)


def not_http(error: Exception, url: str, timeout: float) -> NoAnswerError:
    """Return the fault for an error of the connection."""
    if isinstance(error, TimeoutError):
        return NoAnswerError(f"no data for {timeout:g} seconds")
    if isinstance(error, ConnectionRefusedError):
        return NoAnswerError(f"nothing answers at {url}", unreachable=True)
    if isinstance(error, HTTPException | ConnectionError):
        return NoAnswerError("the answer was interrupted")
    reason = getattr(error, "strerror", None) or error
    return NoAnswerError(f"{url} cannot be reached ({reason})", unreachable=True)


def hide(text: str, key: str) -> str:
    """Return a text without the key or anything that looks like a key."""
    text = text.replace(key, "***") if key else text
    return re.sub(r"\b(sk-|Bearer )[\w*.-]{6,}", r"\1***", text)


def _message_in(body: str) -> str:
    """Return the server's message: from its JSON, or its text."""
    try:
        data = parse_json(body)
    except ValueError:
        data = None
    error = data.get("error", data) if isinstance(data, dict) else None
    text = error.get("message") if isinstance(error, dict) else error
    if not isinstance(text, str):
        text = "" if "<html" in body[:500].lower() else body
    return " ".join(text.split())[:_SHOWN]
