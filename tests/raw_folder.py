"""What somebody has collected and not yet looked at: three folders of drawings, with odd names."""

import random
import shutil
from pathlib import Path

from PIL import Image

from prep import demo_world
from sample_data.make.world import Character, draw, sample_scene

MOCHI = "3_もち (mochi)"
KURO = "kuro's cat 🐈"
RIN = "-rin [fox]"
_ODD = (
    "-{} first.png", "{} [1].png", "{}'s \"best\".png", "{} 🌸.png", "{}.final.v2.png",
    "{},comma.png", "狐 {}.png", "{}  two spaces.jpg", "#{}.png", "{}.JPG.png", "{} 100%.webp",
    "  {}.png", "{}=x.png", "({}).png", "{}_é.png", "~{}.png",
)  # fmt: skip
DRAWN = {KURO: Character("cat", "black", "moon_mark"), RIN: Character("fox", "orange", None)}
SIZE = (256, 256)


def collect(root: Path) -> int:
    """Fill ``root`` with 60 pictures of three characters; return how many can be used.

    Of the mascot there are the files that come along without what is drawn twice, of the other
    two 14 drawings each, and what real folders hold: an exact copy, a smaller copy, a picture of
    24 px and half a file.
    """
    mascot = demo_world.mascot() / "10_mochi"
    files = sorted(mascot.iterdir())
    (root / MOCHI).mkdir(parents=True)
    for file in files[:28]:
        shutil.copy(file, root / MOCHI / file.name)
    for number, (folder, character) in enumerate(DRAWN.items()):
        (root / folder).mkdir()
        rng = random.Random(number)
        for name in _ODD[:14]:
            picture = draw(sample_scene(rng, character), SIZE)
            picture.save(root / folder / name.format(character.species))
    cats, foxes = root / KURO, root / RIN
    shutil.copy(cats / "cat [1].png", cats / "cat [1] (copy).png")
    with Image.open(foxes / "fox 🌸.png") as picture:
        picture.resize((200, 200)).save(foxes / "fox small.jpg", quality=60)
        picture.resize((24, 24)).save(foxes / "thumb.png")
    whole = (cats / "#cat.png").read_bytes()
    (cats / "broken.png").write_bytes(whole[: len(whole) // 2])
    return sum(1 for file in root.rglob("*") if file.is_file())
