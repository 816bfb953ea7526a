"""What can go wrong with a request to a captioner, in words, and whether to ask again."""

import json
import re
from email.message import Message
from http.client import HTTPException

_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT = 60.0
_SHOWN = 300


class NoAnswerError(Exception):
    """A request without an answer.

    Attributes:
        reason: In words.
        final: Asking again would not help.
        fatal: No other image would fare better: the key, the address or the model is wrong.
        unreachable: There is no server.
        wait: Seconds that the server asks for before the next attempt.
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
    """Return the fault that a status other than 200 means.

    Args:
        status: Of HTTP.
        body: What the server sent with it.
        headers: As the server sent them.
        key: Is cut out, should the server repeat it.
    """
    told = hide(_told(body), key)
    said = f"the server answered {status}" + (f": {told}" if told else "")
    if status in (401, 403):
        return NoAnswerError(f"{said} (is SHIKOMI_API_KEY the right key?)", fatal=True)
    if status == 404:
        return NoAnswerError(f"{said} (is the address right, and the model there?)", fatal=True)
    if 300 <= status < 400:
        to = headers.get("Location", "elsewhere")
        return NoAnswerError(f"the server sends requests on to {to}; give that address", fatal=True)
    if status in _BUSY:
        text = headers.get("Retry-After", "")
        wait = min(float(text), _LONGEST_WAIT) if text.isdecimal() else 0.0
        return NoAnswerError(said, wait=wait)
    return NoAnswerError(said, final=True)


def not_http(error: Exception, url: str, timeout: float) -> NoAnswerError:
    """Return the fault for what a connection raised."""
    if isinstance(error, TimeoutError):
        return NoAnswerError(f"no sign of life for {timeout:g} seconds")
    if isinstance(error, ConnectionRefusedError):
        return NoAnswerError(f"nothing answers at {url}", unreachable=True)
    if isinstance(error, HTTPException | ConnectionError):
        return NoAnswerError("the answer broke off")
    reason = getattr(error, "strerror", None) or error
    return NoAnswerError(f"{url} cannot be reached ({reason})", unreachable=True)


def hide(text: str, key: str) -> str:
    """Return a text without the key, and without anything that looks like one."""
    text = text.replace(key, "***") if key else text
    return re.sub(r"\b(sk-|Bearer )[\w*.-]{6,}", r"\1***", text)


def _told(body: str) -> str:
    """Return what the server says in words: the message within its JSON, or its text."""
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    error = data.get("error", data) if isinstance(data, dict) else None
    text = error.get("message") if isinstance(error, dict) else error
    if not isinstance(text, str):
        text = "" if "<html" in body[:500].lower() else body
    return " ".join(text.split())[:_SHOWN]
