"""Draw Sixel the slow and obvious way, to check what the encoder writes."""

import re

import numpy as np
from numpy.typing import NDArray

_WHOLE = re.compile(r'\x1bP0;1q"1;1;(\d+);(\d+)(.*)\x1b\\', re.DOTALL)
_TOKEN = re.compile(
    r"#(?P<new>\d+);2;(?P<r>\d+);(?P<g>\d+);(?P<b>\d+)|#(?P<colour>\d+)"
    r"|!(?P<times>\d+)(?P<many>[?-~])|(?P<one>[?-~])|(?P<back>\$)|(?P<down>-)"
)


def decode(text: str) -> NDArray[np.int64]:
    """Return red, green and blue of each pixel; -1 where nothing was drawn."""
    found = _WHOLE.fullmatch(text)
    assert found is not None
    width, height = int(found[1]), int(found[2])
    picture = np.full((height + 6, width, 3), -1)
    palette: dict[int, list[int]] = {}
    x = top = place = colour = 0
    while place < len(found[3]):
        token = _TOKEN.match(found[3], place)
        assert token is not None, found[3][place : place + 20]
        place = token.end()
        if token["new"]:
            percents = (int(token[name]) for name in "rgb")
            palette[int(token["new"])] = [round(percent * 255 / 100) for percent in percents]
        elif token["colour"]:
            colour = int(token["colour"])
        elif token["back"]:
            x = 0
        elif token["down"]:
            x, top = 0, top + 6
        else:
            bits = ord(token["many"] or token["one"]) - 63
            width_of_run = int(token["times"] or 1)
            for row in range(6):
                if bits >> row & 1:
                    picture[top + row, x : x + width_of_run] = palette[colour]
            x += width_of_run
            assert x <= width
    assert (picture[height:] == -1).all()
    return picture[:height]
