"""Writing planted into pictures: captions, subtitles, speech bubbles, text boxes, credits.

Every kind takes a picture, fonts and a random generator, and draws into the picture. Sizes are
shares of the picture's height, so that a kind is the same at every resolution.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Kind = Callable[[Image.Image, "Writer"], None]
_WORDS = re.findall(
    r"\S+",
    "All trains to the coast are delayed this evening. Please mind the closing doors! Who left"
    " these flowers on my desk yesterday? He paints every morning, even when his hands are cold."
    " Nothing in this town costs less than 40 crowns, so take the northern road and wait",
)
_GLYPHS = (
    "窓を開けると潮の匂いがした。駅前の喫茶店で友達を待ちながら手紙を書いている。夜空に花火が上がる"
)
_INKS = (("white", "black"), ("black", "white"), ("#ffe04a", "black"), ("white", "#203060"))
_ADDRESSES = ("www.example.org/gallery", "art by @some_artist", "(c) 2019 Example Studio")


@dataclass(frozen=True)
class Writer:
    """Fonts by script, and chance.

    Attributes:
        fonts: Font files of ``latin``, ``cjk``, ``hand`` and ``comic``.
        rng: Chooses font, size, place, ink and words.
    """

    fonts: Mapping[str, Sequence[Path]]
    rng: random.Random

    def font(self, script: str, size: float) -> ImageFont.FreeTypeFont:
        """Return one of the fonts of a script, ``size`` pixels high."""
        return ImageFont.truetype(str(self.rng.choice(self.fonts[script])), max(4, round(size)))

    def words(self, number: int) -> str:
        """Return so many words of a sentence."""
        start = self.rng.randrange(len(_WORDS))
        return " ".join((_WORDS * 2)[start : start + number])

    def glyphs(self, number: int) -> str:
        """Return so many Japanese characters."""
        start = self.rng.randrange(len(_GLYPHS))
        return (_GLYPHS * 3)[start : start + number]

    def lines(self, font: ImageFont.FreeTypeFont, width: float, most: int) -> list[str]:
        """Return lines of words that fit into a width."""
        made: list[str] = []
        for _ in range(most):
            words = self.words(12).split()
            while len(words) > 1 and font.getlength(" ".join(words)) > width:
                words.pop()
            made.append(" ".join(words))
        return made


def _outlined(image: Image.Image, writer: Writer, script: str, part: tuple[float, float]) -> None:
    """Write two lines, or three by hand, somewhere, in ink with an outline."""
    rng, pen = writer.rng, ImageDraw.Draw(image)
    size = image.height / rng.uniform(*part)
    font = writer.font(script, size)
    ink, edge = rng.choice(_INKS)
    top = rng.choice((0.04, 0.45, 0.8)) * image.height
    width = 0.86 * image.width
    if script == "cjk":
        lines = [writer.glyphs(int(width / size)) for _ in range(2)]
    else:
        lines = writer.lines(font, width, 3 if script == "hand" else 2)
    for place, line in enumerate(lines):
        at = (0.06 * image.width, top + 1.25 * size * place)
        pen.text(at, line, ink, font, stroke_width=max(1, round(size / 14)), stroke_fill=edge)


def _subtitle(image: Image.Image, writer: Writer) -> None:
    pen, size = ImageDraw.Draw(image), image.height / writer.rng.uniform(16, 22)
    font = writer.font("latin", size)
    for place, line in enumerate(writer.lines(font, 0.8 * image.width, 2)):
        at = (image.width / 2, (0.8 + 0.07 * place) * image.height)
        outline = max(1, round(size / 12))
        pen.text(at, line, "white", font, "mt", stroke_width=outline, stroke_fill="black")


def _plain(image: Image.Image, writer: Writer) -> None:
    pen, size = ImageDraw.Draw(image), image.height / writer.rng.uniform(14, 20)
    font, top = writer.font("latin", size), writer.rng.choice((0.05, 0.8)) * image.height
    ink = _against(image, top, top + 2.6 * size)
    for place, line in enumerate(writer.lines(font, 0.9 * image.width, 2)):
        pen.text((0.05 * image.width, top + 1.25 * size * place), line, ink, font)


def _against(image: Image.Image, top: float, bottom: float) -> str:
    level = np.asarray(image.convert("L"))[int(top) : int(bottom)].mean()
    return "white" if level < 135 else "black"


def _down(pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, how: "_Ink") -> None:
    for place, glyph in enumerate(text):
        where = (at[0], at[1] + 1.05 * how.font.size * place)
        pen.text(where, glyph, how.ink, how.font, stroke_width=how.outline, stroke_fill=how.edge)


@dataclass(frozen=True)
class _Ink:
    font: ImageFont.FreeTypeFont
    ink: str = "black"
    edge: str = "white"
    outline: int = 0


def _vertical(image: Image.Image, writer: Writer) -> None:
    size = image.height / writer.rng.uniform(16, 22)
    ink, edge = writer.rng.choice(_INKS)
    how = _Ink(writer.font("cjk", size), ink, edge, max(1, round(size / 14)))
    right = writer.rng.uniform(0.3, 0.85) * image.width
    for column in range(3):
        at = (right - 1.5 * size * column, 0.08 * image.height)
        _down(ImageDraw.Draw(image), at, writer.glyphs(12), how)


def _bubbles(image: Image.Image, writer: Writer) -> None:
    """Draw two speech bubbles, in Latin letters or Japanese from top to bottom."""
    rng, pen = writer.rng, ImageDraw.Draw(image)
    latin = rng.random() < 0.5
    for number in range(2):
        width, height = rng.uniform(0.25, 0.38) * image.width, rng.uniform(0.2, 0.3) * image.height
        left = rng.uniform(0.02, 0.6) * image.width
        top = (0.03 + 0.45 * number + rng.uniform(0, 0.2)) * image.height
        pen.ellipse((left, top, left + width, top + height), "white", "black", 2)
        inner, middle = 0.62 * height, (left + width / 2, top + height / 2)
        if latin:
            font = writer.font("comic", inner / rng.choice((3, 4)) / 1.15)
            lines = writer.lines(font, 0.7 * width, int(inner / font.size / 1.1))
            pen.multiline_text(middle, "\n".join(lines), "black", font, "mm", align="center")
            continue
        how = _Ink(writer.font("cjk", inner / 6.3))
        columns = max(2, int(0.68 * width / how.font.size / 1.4))
        for column in range(columns):
            right = middle[0] + (columns / 2 - column - 1) * 1.4 * how.font.size
            _down(pen, (right, middle[1] - inner / 2), writer.glyphs(6), how)


def _text_box(image: Image.Image, writer: Writer) -> None:
    """Draw the box of a visual novel over the lower quarter."""
    rng, pen = writer.rng, ImageDraw.Draw(image, "RGBA")
    size, top = image.height / rng.uniform(17, 22), 0.75 * image.height
    box = (0.03 * image.width, top, 0.97 * image.width, 0.98 * image.height)
    pen.rectangle(box, rng.choice(((0, 0, 40, 170), (255, 255, 255, 200), (60, 20, 40, 190))))
    ink, latin = _against(image, top + 3, box[3]), rng.random() < 0.6
    font, width = writer.font("latin" if latin else "cjk", size), 0.86 * image.width
    lines = writer.lines(font, width, 2)
    if not latin:
        lines = [writer.glyphs(int(width / size)) for _ in range(2)]
    for place, line in enumerate(lines):
        pen.text((0.06 * image.width, top + size * (0.6 + 1.3 * place)), line, ink, font)


def _credits(image: Image.Image, writer: Writer) -> None:
    """Write four short lines that the picture shines through."""
    layer = Image.new("RGBA", image.size)
    pen, size = ImageDraw.Draw(layer), image.height / writer.rng.uniform(18, 24)
    font, opacity = writer.font("latin", size), writer.rng.randint(140, 200)
    for place in range(4):
        at = (image.width / 2, 0.25 * image.height + 1.6 * size * place)
        ink, edge = (255, 255, 255, opacity), (0, 0, 0, opacity)
        pen.text(at, writer.words(4), ink, font, "mt", stroke_width=1, stroke_fill=edge)
    image.paste(layer, (0, 0), layer)


def _address(image: Image.Image, writer: Writer) -> None:
    size = image.height / writer.rng.uniform(20, 28)
    at = (image.width - 10, image.height - 0.5 * size)
    font, text = writer.font("latin", size), writer.rng.choice(_ADDRESSES)
    pen = ImageDraw.Draw(image)
    pen.text(at, text, "white", font, "rb", stroke_width=1, stroke_fill="black")


def _page(image: Image.Image, writer: Writer) -> None:
    """Cover it with a page of a book."""
    pen, latin = ImageDraw.Draw(image), writer.rng.random() < 0.6
    pen.rectangle((0, 0, *image.size), "white")
    size = image.height / 45
    font, width = writer.font("latin" if latin else "cjk", size), 0.84 * image.width
    for row in range(26):
        [line] = writer.lines(font, width, 1) if latin else [writer.glyphs(int(width / size))]
        pen.text((0.08 * image.width, size * (3 + 1.5 * row)), line, "#222", font)


KINDS: dict[str, Kind] = {
    "caption, outlined": lambda i, w: _outlined(i, w, "latin", (14, 24)),
    "subtitle": _subtitle,
    "caption, plain": _plain,
    "Japanese, across": lambda i, w: _outlined(i, w, "cjk", (13, 20)),
    "Japanese, down": _vertical,
    "speech bubbles": _bubbles,
    "box of a visual novel": _text_box,
    "page of a book": _page,
    "title": lambda i, w: _outlined(i, w, "latin", (6, 8)),
    "handwriting": lambda i, w: _outlined(i, w, "hand", (11, 15)),
    "credits, translucent": _credits,
    "address or name": _address,
}
