"""Send requests for many images to a server: in parallel, with retries where they may help."""

import base64
import io
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from PIL import Image

from prep import images
from prep.captioner.answers import one_line
from prep.captioner.faults import NoAnswerError, hide
from prep.captioner.server import ModelAnswer, Server
from prep.errors import ConfigError, RetryError, UnreadableError, UserError
from prep.project.captioner import CaptionerSection
from prep.system import parallel

FIRST_PAUSE = 1.0
"""Seconds before the second attempt; each later pause is twice as long."""
_LONGEST_PAUSE = 30.0
_QUALITY = 90
_GIVEN_UP = 5
"""Consecutive images without an answer after which the server counts as broken."""
_START = "Start it, or give its address: --url http://HOST:PORT/v1"


@dataclass(frozen=True)
class CaptionRequest:
    """The request for one image; ``prompt`` is already filled in."""

    path: str
    file: Path
    prompt: str


@dataclass(frozen=True)
class Description:
    """The answer; ``cut`` means that it was too long and ends after its last complete sentence."""

    text: str
    cut: bool = False


class Asker:
    """Sends requests to a server.

    Attributes:
        model: Its name on the server.
    """

    def __init__(self, server: Server, section: CaptionerSection) -> None:
        """Find the model.

        Args:
            server: The server.
            section: The settings.

        Raises:
            ConfigError: The server offers several models, and none was named.
            RetryError: The server cannot be reached.
            UserError: The server refuses the request.
        """
        self._server, self._section = server, section
        self._stop = Event()
        self.model = section.model or self._only_model()

    def _only_model(self) -> str:
        try:
            found = self._server.models()
        except NoAnswerError as fault:
            raise self._ended(fault) from fault
        if len(found) == 1:
            return found[0]
        if not found:
            raise ConfigError(
                f"The server at {self._server.url} offers no models.", "Load a model there."
            )
        some = ", ".join(found[:10]) + (", …" if len(found) > 10 else "")
        raise ConfigError(
            f"The server at {self._server.url} offers {len(found)} models.",
            f"Name one that accepts images: --model NAME. Available: {some}",
        )

    def ask(
        self, questions: Iterable[CaptionRequest]
    ) -> Generator[tuple[CaptionRequest, Description | UnreadableError], None, None]:
        """Yield each request with its answer, or why there is none, in order.

        Raises:
            RetryError: The server cannot be reached, or fails for several images in a row.
            UserError: The server refuses requests whatever the image.
        """
        at_once = self._section.concurrency
        answered = parallel.ordered(self._attempt, questions, at_once, self._end)
        failed, succeeded = 0, False
        try:
            for question, found in answered:
                if isinstance(found, NoAnswerError):
                    failed += 1
                    if found.fatal or found.unreachable or (found.final and not succeeded):
                        raise self._ended(found)
                    if failed >= _GIVEN_UP:
                        raise self._broken(found)
                    found = UnreadableError(f"{question.file.name}: {found.reason}")
                elif isinstance(found, Description):
                    failed, succeeded = 0, True
                yield question, found
        finally:
            answered.close()

    def _end(self) -> None:
        """Make threads that wait for an answer, or for their next attempt, return at once."""
        self._stop.set()
        self._server.close()

    def _attempt(self, question: CaptionRequest) -> Description | UnreadableError | NoAnswerError:
        """Send the request for one image; called in a thread."""
        try:
            request = self._request(question)
        except UnreadableError as error:
            return error
        pause = FIRST_PAUSE
        for left in range(self._section.retries, -1, -1):
            try:
                return _described(self._server.ask(request))
            except NoAnswerError as fault:
                if fault.final or not left:
                    return fault
                if self._stop.wait(max(pause, fault.wait)):
                    return fault
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise AssertionError("there is at least one attempt")

    def _request(self, question: CaptionRequest) -> dict[str, Any]:
        section = self._section
        address = "data:image/jpeg;base64," + as_jpeg(question.file, section.side)
        content = [
            {"type": "text", "text": question.prompt},
            {"type": "image_url", "image_url": {"url": address}},
        ]
        system = [{"role": "system", "content": section.system}] if section.system else []
        return {
            "model": self.model,
            "messages": [*system, {"role": "user", "content": content}],
            "max_tokens": section.max_tokens,
            "temperature": section.temperature,
        }

    def _ended(self, fault: NoAnswerError) -> UserError:
        reason = hide(fault.reason, self._server.key)
        message = f"{reason[0].upper()}{reason[1:]}."
        if fault.unreachable:
            return RetryError(message, f"{_START}\nFinished descriptions are kept.")
        if fault.final:
            return UserError(message, f"The server is {self._server.url}; check its output.")
        return RetryError(message, "Finished descriptions are kept: run the same command again.")

    def _broken(self, fault: NoAnswerError) -> RetryError:
        reason = hide(fault.reason, self._server.key)
        return RetryError(
            f"{_GIVEN_UP} images in a row got no answer: {reason}.",
            "Finished descriptions are kept: check the server, then run the same command again.",
        )


def as_jpeg(file: Path, side: int) -> str:
    """Return a picture as JPEG in base64, its longer side at most ``side`` pixels.

    Raises:
        UnreadableError: As in ``images.decode``.
    """
    image, _ = images.decode_reduced(file, 2 * side)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=_QUALITY)
    return base64.b64encode(data.getvalue()).decode()


def _described(answer: ModelAnswer) -> Description:
    text = one_line(answer.text, cut=answer.cut)
    if not text:
        raise NoAnswerError("the model gave no answer" + (", only thoughts" if answer.text else ""))
    return Description(text, answer.cut)
