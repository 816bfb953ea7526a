"""Expressions: eyes and mouth around the middle of the face.

An expression draws in one ink, because black characters need a light one to be read.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sample_data.make.pen import Colour, Pen

WHITE = (252, 252, 252)
TEAR = (80, 190, 255)
MOUTH = (200, 50, 70)


@dataclass(frozen=True, slots=True)
class Face:
    """Where and with which ink an expression is drawn.

    Attributes:
        pen: Its origin is the middle of the face, between eyes and mouth.
        ink: The colour of eyes and lines.
        eye: Where the right eye lies.
        mouth: How far the mouth lies below the origin.
    """

    pen: Pen
    ink: Colour
    eye: tuple[float, float]
    mouth: float

    def eyes(self, draw: Callable[[Pen], None]) -> None:
        """Draw one eye twice, mirrored."""
        for side in (self.pen, self.pen.flipped()):
            draw(side.at(*self.eye))

    def dots(self) -> None:
        """Draw the ordinary round eyes with a glint."""

        def eye(pen: Pen) -> None:
            pen.ellipse(0, 0, 0.085, 0.1, self.ink, None)
            pen.ellipse(0.025, -0.04, 0.03, 0.03, WHITE, None)

        self.eyes(eye)

    def curve(self, degrees: tuple[float, float], depth: float = 0.08) -> None:
        """Draw a mouth that is part of an ellipse."""
        self.pen.line_arc(0, self.mouth, (0.13, depth), degrees, self.ink)


def _smile(face: Face) -> None:
    face.dots()
    face.curve((0, 180))


def _grin(face: Face) -> None:
    face.dots()
    face.pen.ellipse(0, face.mouth + 0.05, 0.13, 0.13, MOUTH)


def _happy(face: Face) -> None:
    face.eyes(lambda pen: pen.line([(-0.12, 0.07), (0, -0.08), (0.12, 0.07)], 0.06, face.ink))
    face.curve((0, 180))


def _squeezed(face: Face) -> None:
    face.eyes(lambda pen: pen.line([(0.1, -0.1), (-0.09, 0), (0.1, 0.1)], 0.06, face.ink))
    face.pen.line([(-0.09, face.mouth + 0.03), (0.09, face.mouth + 0.03)], 0.05, face.ink)


def _asleep(face: Face) -> None:
    face.eyes(lambda pen: pen.line_arc(0, 0, (0.12, 0.08), (0, 180), face.ink, 0.06))
    face.pen.ellipse(0, face.mouth + 0.03, 0.05, 0.04, face.ink, None)


def _crying(face: Face) -> None:
    face.dots()
    face.eyes(lambda pen: pen.ellipse(0.05, 0.22, 0.075, 0.16, TEAR))
    face.curve((180, 360))


def _angry(face: Face) -> None:
    face.dots()
    face.eyes(lambda pen: pen.line([(-0.13, -0.1), (0.13, -0.24)], 0.07, face.ink))
    face.curve((180, 360))


def _surprised(face: Face) -> None:
    def eye(pen: Pen) -> None:
        pen.ellipse(0, 0, 0.15, 0.15, WHITE)
        pen.ellipse(0, 0, 0.05, 0.05, (38, 28, 40), None)

    face.eyes(eye)
    face.pen.ellipse(0, face.mouth + 0.05, 0.055, 0.07, face.ink, None)


EXPRESSIONS: dict[str, Callable[[Face], None]] = {
    "smile": _smile,
    ":d": _grin,
    "^_^": _happy,
    ">_<": _squeezed,
    "closed_eyes": _asleep,
    "crying": _crying,
    "angry": _angry,
    "o_o": _surprised,
}
