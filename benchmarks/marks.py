"""Marks over pictures, as sites and artists put them there: for corpora of marked copies.

Every mark is a blend of one colour, or of two where text has an outline or stands on a bar.
Sizes are shares of the shorter side of the picture.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Texts = Mapping[str, Sequence[str]]
_CLEAR = (0, 0, 0, 0)


class MarkMaker:
    """Draws marks with one set of fonts and texts."""

    def __init__(self, fonts: Sequence[Path], texts: Texts, rng: random.Random) -> None:
        """Prepare.

        Args:
            fonts: TrueType or OpenType files; Pillow's own font if empty.
            texts: Words for ``signature``, ``credit``, ``stamp``, ``tile`` and ``site``.
            rng: Chooses words, fonts, colours, opacities and places.
        """
        self._fonts, self._texts, self._rng = fonts, texts, rng

    def put(self, image: Image.Image, kind: str) -> Image.Image:
        """Return a picture with a mark of one of ``KINDS`` over it."""
        layer = KINDS[kind](self, image.size)
        return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")

    def _font(self, height: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        size = max(10, round(height))
        if not self._fonts:
            return ImageFont.load_default(size)
        return ImageFont.truetype(str(self._rng.choice(self._fonts)), size)

    def _ink(self) -> Colour:
        """Return white, dark or a strong colour."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.4:
            return (255, 255, 255)
        if kind < 0.7:
            level = rng.randint(0, 40)
            return (level, level, level)
        red, green, blue = (rng.choice((20, 110, 200, 250)) for _ in range(3))
        return red, green, blue

    def _text(self, kind: str, height: float, *, outline: bool = False) -> Image.Image:
        """Draw a line of text, cut to its edges; a quarter of those allowed have an outline."""
        rng = self._rng
        words, font, ink = rng.choice(self._texts[kind]), self._font(height), self._ink()
        width = max(1, round(height / 14)) if outline and rng.random() < 0.25 else 0
        around: Colour = (0, 0, 0) if sum(ink) > 380 else (255, 255, 255)
        alone = Image.new("RGBA", (1, 1))
        left, top, right, bottom = ImageDraw.Draw(alone).textbbox(
            (0, 0), words, font, stroke_width=width
        )
        size = int(right - left) + 4, int(bottom - top) + 4
        drawn = Image.new("RGBA", size, ((*around, 0) if width else (*ink, 0)))
        ImageDraw.Draw(drawn).text(
            (2 - left, 2 - top), words, (*ink, 255), font, stroke_width=width, stroke_fill=around
        )
        return drawn

    def _faded(self, drawn: Image.Image, least: int = 40, most: int = 100) -> Image.Image:
        """Return a drawing at an opacity of so many per cent."""
        opacity = self._rng.randint(least, most) / 100
        alpha = drawn.getchannel("A").point([round(opacity * level) for level in range(256)])
        drawn.putalpha(alpha)
        return drawn

    def _placed(
        self, size: tuple[int, int], drawn: Image.Image, *, edge: bool = False
    ) -> Image.Image:
        """Return a layer with a drawing anywhere in it, or at the upper or lower edge."""
        rng = self._rng
        margin = round(rng.uniform(0.01, 0.04) * min(size))
        room = [
            max(0, whole - part - 2 * margin) for whole, part in zip(size, drawn.size, strict=True)
        ]
        x, y = (margin + rng.randint(0, each) for each in room)
        if edge:
            x = margin + rng.choice((0, room[0] // 2, room[0]))
            y = margin + rng.choice((0, room[1]))
        layer = Image.new("RGBA", size, _CLEAR)
        layer.paste(drawn, (x, y))
        return layer

    def _fitted(self, size: tuple[int, int], drawn: Image.Image, share: float) -> Image.Image:
        """Reduce a drawing that is wider than this share of the picture."""
        factor = min(1.0, share * size[0] / drawn.width, share * size[1] / drawn.height)
        wanted = max(1, round(drawn.width * factor)), max(1, round(drawn.height * factor))
        return drawn.resize(wanted, Image.Resampling.LANCZOS) if factor < 1 else drawn

    def _signature(self, size: tuple[int, int]) -> Image.Image:
        drawn = self._text("signature", self._rng.uniform(0.045, 0.09) * min(size), outline=True)
        if self._rng.random() < 0.4:
            drawn = drawn.rotate(self._rng.uniform(-15, 15), Image.Resampling.BICUBIC, expand=True)
        edge = self._rng.random() < 0.7
        return self._placed(size, self._faded(self._fitted(size, drawn, 0.5)), edge=edge)

    def _credit(self, size: tuple[int, int]) -> Image.Image:
        drawn = self._text("credit", self._rng.uniform(0.03, 0.05) * min(size), outline=True)
        return self._placed(size, self._faded(self._fitted(size, drawn, 0.95)), edge=True)

    def _stamp(self, size: tuple[int, int]) -> Image.Image:
        """Draw rotated words in a frame, or large words across the picture."""
        rng = self._rng
        words = self._text("stamp", rng.uniform(0.09, 0.16) * min(size))
        pad = words.height // 2
        drawn = Image.new("RGBA", (words.width + 2 * pad, words.height + 2 * pad), _CLEAR)
        ink = words.getpixel((0, 0))
        assert isinstance(ink, tuple)
        drawn.paste((*ink[:3], 0), (0, 0, *drawn.size))
        drawn.paste(words, (pad, pad))
        if rng.random() < 0.6:
            box = (pad // 4, pad // 4, drawn.width - pad // 4 - 1, drawn.height - pad // 4 - 1)
            pen = ImageDraw.Draw(drawn)
            pen.rounded_rectangle(box, pad // 2, None, (*ink[:3], 255), max(2, pad // 5))
        drawn = drawn.rotate(rng.choice((0, 0, 15, 30, -20)), Image.Resampling.BICUBIC, expand=True)
        drawn = self._fitted(size, drawn, rng.uniform(0.3, 0.7))
        return self._placed(size, self._faded(drawn, 40, 100))

    def _logo(self, size: tuple[int, int]) -> Image.Image:
        """Draw a ring with a letter or a star in it, and perhaps a name beside it."""
        rng = self._rng
        side = round(rng.uniform(0.1, 0.2) * min(size)) * 2
        ink = self._ink()
        drawn = Image.new("RGBA", (side, side), (*ink, 0))
        pen, full = ImageDraw.Draw(drawn), (*ink, 255)
        width = max(2, side // rng.randint(10, 18))
        pen.ellipse((2, 2, side - 3, side - 3), None, full, width)
        if rng.random() < 0.5:
            pen.regular_polygon((side / 2, side / 2, side * 0.3), rng.choice((3, 5, 6)), 0, full)
        else:
            font = self._font(side * 0.55)
            pen.text((side / 2, side / 2), rng.choice("AKMRSW"), full, font, anchor="mm")
        drawn = drawn.resize((side // 2, side // 2), Image.Resampling.LANCZOS)
        return self._placed(size, self._faded(drawn, 40, 100), edge=rng.random() < 0.7)

    def _tiled(self, size: tuple[int, int]) -> Image.Image:
        rng = self._rng
        drawn = self._text("tile", rng.uniform(0.045, 0.08) * min(size))
        drawn = drawn.rotate(rng.choice((0, 20, 30, 45)), Image.Resampling.BICUBIC, expand=True)
        drawn = self._faded(self._fitted(size, drawn, 0.6), 40, 65)
        layer = Image.new("RGBA", size, _CLEAR)
        gap = rng.uniform(1.2, 1.8)
        across, down = round(drawn.width * gap), round(drawn.height * gap + 0.05 * min(size))
        for row, y in enumerate(range(rng.randint(0, down // 2), size[1], down)):
            for x in range(-(row % 2) * across // 2, size[0], across):
                layer.paste(drawn, (x, y))
        return layer

    def _bar(self, size: tuple[int, int]) -> Image.Image:
        """Draw a bar across the picture, at its upper or lower edge, with an address in it."""
        rng = self._rng
        height = round(rng.uniform(0.05, 0.085) * min(size))
        dark = rng.random() < 0.6
        level = rng.randint(0, 30) if dark else rng.randint(225, 255)
        ground = (level, level, level, round(255 * rng.uniform(0.4, 1.0)))
        layer = Image.new("RGBA", size, _CLEAR)
        top = rng.choice((0, size[1] - height))
        pen = ImageDraw.Draw(layer)
        pen.rectangle((0, top, size[0], top + height - 1), ground)
        other = 255 - level
        place = (rng.choice((0.05, 0.35, 0.6)) * size[0], top + height / 2)
        words = rng.choice(self._texts["site"])
        pen.text(place, words, (other, other, other, 255), self._font(0.6 * height), anchor="lm")
        return layer


KINDS: Mapping[str, Callable[[MarkMaker, tuple[int, int]], Image.Image]] = MappingProxyType(
    {
        "signature": MarkMaker._signature,
        "credit line": MarkMaker._credit,
        "stamp": MarkMaker._stamp,
        "logo": MarkMaker._logo,
        "tiled text": MarkMaker._tiled,
        "address bar": MarkMaker._bar,
    }
)
"""Kind of mark -> what draws it on a layer of the picture's size."""
