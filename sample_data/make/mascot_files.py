"""What lies in the mascot's folder: files as people really name, convert and damage them.

Only data. `mascot` makes the files; a name that promises something (a beach, a santa hat) is
given a scene that keeps the promise.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Original:
    """One drawing with its own scene.

    Attributes:
        name: File name; its ending decides the format.
        size: Width and height as they are seen.
        fixed: Traits of the scene that the name promises.
        special: `turned` (EXIF orientation 6), `cutout` (transparent), `blurry`, `tiny` or ``.
    """

    name: str
    size: tuple[int, int]
    fixed: dict[str, Any] = field(default_factory=dict)
    special: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """A file made from another.

    Attributes:
        name: File name.
        of: The original's name.
        how: `same` bytes, or what was done to it.
    """

    name: str
    of: str
    how: str


ORIGINALS = (
    Original("mochi beach 01.png", (512, 512), {"background": "beach"}),
    Original("mochi beach 02.jpg", (640, 480), {"background": "beach"}),
    Original("mochi_sitting.png", (480, 640), {"pose": "sitting"}),
    Original("IMG_2041.jpg", (640, 426)),
    Original("IMG_2042.jpg", (426, 640)),
    Original("IMG_2057.JPG", (600, 600)),
    Original("IMG_2063.jpg", (450, 600), special="turned"),
    Original("もち 夜空.png", (448, 448), {"background": "night_sky"}),
    Original("餅ちゃん①.webp", (600, 500)),
    Original("DSC00113.jpg", (700, 525)),
    Original("Screenshot 2024-03-18 at 21.04.55.png", (560, 400), {"background": "room"}),
    Original("mochi (1).png", (384, 512)),
    Original("mochi (2).png", (512, 384)),
    Original("mochi-santa.webp", (500, 640), {"hat": "santa_hat"}),
    Original("mochi_crying_final.png", (500, 500), {"expression": "crying"}),
    Original("mochi_crying_final2.jpg", (512, 640), {"expression": "crying"}),
    Original("commission_mochi_v3.png", (400, 600), {"background": "sunset"}),
    Original("a1b2c3d4e5f6.webp", (320, 320)),
    Original("92817364_p0.jpg", (480, 700)),
    Original("92817364_p1.jpg", (700, 480)),
    Original("mochi sticker.png", (420, 480), {"background": "white_background"}, "cutout"),
    Original("mochi in the forest.jpg", (600, 450), {"background": "forest"}),
    Original("mochi's birthday.png", (460, 460), {"hat": "party_hat"}),
    Original("mochi & balloon.jpg", (450, 640), {"held": "balloon"}),
    Original("mochi 100%.png", (360, 360), {"expression": "^_^"}),
    Original("F3kQ9aXbYAA0z.jpg", (680, 500), {"background": "city"}),
    Original("snow day.webp", (560, 560), {"background": "snow"}),
    Original("unnamed.png", (256, 300)),
    Original("mochi no hat.png", (512, 512), {"hat": None}),
    Original("IMG_2060.jpg", (600, 480), special="blurry"),
    Original("thumb.png", (40, 40), special="tiny"),
)

COPIES = (
    Copy("mochi beach 01 (copy).png", "mochi beach 01.png", "same"),
    Copy("IMG_2041 (1).jpg", "IMG_2041.jpg", "same"),
    Copy("download.webp", "snow day.webp", "same"),
    Copy("mochi_sitting_small.png", "mochi_sitting.png", "resized"),
    Copy("IMG-20240318-WA0007.jpg", "IMG_2057.JPG", "reencoded"),
    Copy("mochi in the forest crop.jpg", "mochi in the forest.jpg", "cropped"),
    Copy("mochi (1) bright.png", "mochi (1).png", "brightened"),
    Copy("mochi_crying_final flip.jpg", "mochi_crying_final.png", "mirrored"),
    Copy("IMG_2049.jpg", "DSC00113.jpg", "truncated"),
)

TEXT_FILE = "notes.png"
TEXT = "This is no picture: somebody saved a note under the wrong name.\n"
