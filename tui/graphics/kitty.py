"""Pictures by the graphics protocol of Kitty, which Ghostty, WezTerm and Konsole speak, too.

https://sw.kovidgoyal.net/kitty/graphics-protocol/ — pictures are sent once, under a number, and
placed on cells. They are placed directly: Unicode placeholders came later (Kitty 0.28), and
not every terminal has them.
"""

import zlib
from base64 import b64encode

from PIL import Image

_CHUNK = 4096
"""Most characters of base64 in one sequence; the protocol's limit."""
_FAST = 1
"""Level of compression: pictures hardly shrink further."""


def transmit(number: int, image: Image.Image) -> str:
    """Return the control sequences that send an RGB picture, without showing it."""
    data = b64encode(zlib.compress(image.tobytes(), _FAST)).decode("ascii")
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    # q=2: no answers, which would arrive as keys.
    keys = f"a=t,i={number},f=24,s={image.width},v={image.height},o=z,t=d,q=2,"
    last = len(chunks) - 1
    return "".join(
        f"\x1b_G{keys if place == 0 else ''}m={int(place < last)};{chunk}\x1b\\"
        for place, chunk in enumerate(chunks)
    )


def place(number: int, columns: int, rows: int, part: tuple[int, int, int, int]) -> str:
    """Return the sequence that shows a sent picture at the cursor.

    A picture has one placement: placing it again moves it.

    Args:
        number: Of the picture.
        columns: Cells across; the part is scaled to them.
        rows: Cells down.
        part: What is shown of it: left, top, width and height, pixels.
    """
    left, top, width, height = part
    shown = f"x={left},y={top},w={width},h={height}"
    return f"\x1b_Ga=p,i={number},p=1,{shown},c={columns},r={rows},C=1,q=2\x1b\\"


def hide(number: int) -> str:
    """Return the sequence that removes a picture from the screen; its pixels stay known."""
    return f"\x1b_Ga=d,d=i,i={number},q=2\x1b\\"


def forget(number: int) -> str:
    """Return the sequence that removes a picture, and its pixels from the terminal's memory."""
    return f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\"
