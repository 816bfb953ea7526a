"""For each code of the check a fault that triggers it, and something near to it that does not."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prep.images.made_profiles import SRGB_PRIMARIES, WHITE, matrix_profile
from prep.project import Project
from prep.training_set.trainers import Trainer
from tests.conftest import draw_numbered
from tests.prep.tiny_detectors import make_detector

OLD = (1, 1)
C = "10_mochi"


class Box:
    """A dataset with one sound concept, to put faults into."""

    def __init__(self, project: Project) -> None:
        self.root = project.root
        self.dataset = project.dataset
        self.number = 0
        self.name = "fault"
        self.settings('[concepts.10_mochi]\ntrigger = "mochi"\n')
        for name in ("one", "two", "three"):
            self.image(f"{C}/{name}.png", f"mochi, {name} hat, smile")

    def settings(self, text: str) -> None:
        (self.root / "shikomi.toml").write_text(text, "utf-8")

    def image(
        self,
        name: str,
        caption: str | bytes | None = "",
        size: tuple[int, int] = (512, 512),
        **save: Any,
    ) -> Path:
        """Draw an image; an empty caption stands for a sound one, ``None`` for none."""
        self.number += 1
        image = draw_numbered(self.number, size)
        if name.lower().endswith((".jpg", ".jfif")):
            save.setdefault("format", "JPEG")
        data = BytesIO()
        image.save(data, **({"format": "PNG"} | save))
        if caption is not None:
            self.file(str(Path(name).with_suffix(".txt")), caption or f"mochi, {self.number}")
        return self.file(name, data.getvalue())

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def cache(self, name: str, times: tuple[int, int] | None = None, **arrays: Any) -> None:
        path = self.dataset / name
        np.savez(path, **(arrays or {"latents": np.zeros(1)}))
        later = path.stat().st_mtime + 100
        os.utime(path, times or (later, later))

    def caption(self, text: str | bytes, name: str = "") -> Path:
        """Add an image with this caption."""
        return self.image(f"{C}/{name or self.name}.png", text)


@dataclass(frozen=True)
class Case:
    bad: Callable[[Box], object]
    good: Callable[[Box], object]
    trainer: Trainer = "sd-scripts"
    wildcards: bool = False


def red_head(box: Box, top: int) -> None:
    """Put in an image of which the bucket cuts 20 rows off at the top, with a head of 80 rows."""
    make_detector(box.root / "detector")
    box.settings('[concepts.10_mochi]\ntrigger = "mochi"\n[crops]\nhead_detector = "detector"\n')
    path = box.image(f"{C}/head.png", size=(512, 700))
    with Image.open(path) as image:
        image.paste((250, 10, 20), (200, top, 300, top + 80))
        image.save(path)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def transparent(box: Box, alpha: int) -> None:
    data = BytesIO()
    Image.new("RGBA", (512, 512), (0, 0, 0, alpha)).save(data, "PNG")
    box.file(f"{C}/clear.png", data.getvalue())
    box.file(f"{C}/clear.txt", "mochi, clear")


def animation(box: Box, frames: int) -> None:
    images = [draw_numbered(n, (512, 512)) for n in range(frames)]
    data = BytesIO()
    images[0].save(data, "WEBP", save_all=True, append_images=images[1:], lossless=True, method=0)
    box.file(f"{C}/moving.webp", data.getvalue())
    box.file(f"{C}/moving.txt", "mochi, moving")


WIDE = matrix_profile((0.68, 0.32, 0.265, 0.69, 0.15, 0.06), WHITE, 0.0)
SRGB = matrix_profile(SRGB_PRIMARIES, WHITE, 0.0)


def profiled(box: Box, profile: bytes) -> None:
    box.image(f"{C}/x.png", icc_profile=profile)


def hidden(box: Box, name: str) -> None:
    box.file(f"{C}/{name}", b"\0\5\x16\7")


def linked(box: Box) -> None:
    box.image("elsewhere/x.png")
    (box.dataset / C / "link.png").symlink_to(box.dataset / "elsewhere" / "x.png")
    box.file(f"{C}/link.txt", "mochi, link")


def excluded(box: Box) -> None:
    from prep.dataset.index import Index
    from prep.dataset.journal.changes import exclusion
    from prep.dataset.journal.edits import Journal
    from prep.ops import scan

    project = Project.open(box.root)
    list(scan.run(project))
    with Index(project) as index:
        Journal(index).apply("x", [exclusion(f"dataset/{C}/one.png", None, "by hand")])


def unreadable(box: Box) -> None:
    """Exchange a caption for a broken link else than to itself."""
    file = box.dataset / C / "one.txt"
    file.chmod(0)


def reg(box: Box, count: int, repeats: int = 1) -> None:
    box.settings(
        '[concepts.10_mochi]\ntrigger = "mochi"\nrepeats = 1\n'
        "[concepts.1_bear]\nregularization = true\n"
        f"repeats = {repeats}\n"
    )
    for number in range(count):
        box.image(f"1_bear/{number}.png", f"bear, {number}")


def no_upscale(box: Box, width: int) -> None:
    box.settings('[buckets]\nno_upscale = true\n[concepts.10_mochi]\ntrigger = "mochi"\n')
    box.image(f"{C}/thin.png", size=(width, 600))


def same_captions(box: Box, text: str) -> None:
    for name in ("one", "two", "three"):
        box.file(f"{C}/{name}.txt", text)


def second_concept(box: Box, folder: str, trigger: str) -> None:
    box.settings(
        f'[concepts.10_mochi]\ntrigger = "mochi"\n[concepts."{folder}"]\ntrigger = "{trigger}"\n'
    )
    box.image(f"{folder}/x.png", f"{trigger}, x")


def borrowed(box: Box, name: str) -> None:
    box.file(f"{C}/p_q.txt", "mochi, somebody else's")
    box.image(f"{C}/{name}.png", None)


def leaf(box: Box, name: str) -> None:
    """Make the project folder itself the concept folder."""
    for file in (box.dataset / C).iterdir():
        file.rename(box.root / file.name)
    (box.dataset / C).rmdir()
    box.dataset.rmdir()
    for other in ("model", "output"):
        (box.root / other).rmdir()
    box.settings("")
    moved = box.root.with_name(name)
    box.root.rename(moved)
    box.root = moved


CASES: dict[str, Case] = {
    "folder-no-repeats": Case(lambda b: b.image("pics/x.png"), lambda b: b.image("3_pics/x.png")),
    "folder-zero-repeats": Case(lambda b: b.image("0_z/x.png"), lambda b: b.image("1_z/x.png")),
    "folder-nested": Case(
        lambda b: b.image(f"{C}/{C}/x.png"), lambda b: b.file(f"{C}/notes/x.md", "nothing")
    ),
    "folder-outside": Case(lambda b: b.image("x.png"), lambda b: b.file("x.md", "nothing")),
    "folder-leaf": Case(lambda b: leaf(b, "10_mochi"), lambda b: None),
    "folder-empty": Case(
        lambda b: b.file("3_empty/x.md", "nothing"), lambda b: b.image("3_full/x.png")
    ),
    "folder-no-name": Case(lambda b: b.image("10/x.png"), lambda b: b.image("10_x/x.png")),
    "concepts-alike": Case(
        lambda b: second_concept(b, "5_Mochi_", "zzzzz"),
        lambda b: second_concept(b, "5_mochi", "zzzzz"),
    ),
    "concept-unknown": Case(
        lambda b: b.settings('[concepts.10_moch]\ntrigger = "mochi"\n'), lambda b: None
    ),
    "reg-unmarked": Case(lambda b: b.image("reg/x.png"), lambda b: b.image("3_regina/x.png")),
    "reg-surplus": Case(lambda b: reg(b, 4), lambda b: reg(b, 3)),
    "reg-steps": Case(lambda b: reg(b, 1), lambda b: b.image("1_bear/x.png")),
    "suffix-case": Case(lambda b: b.image(f"{C}/x.Jpg"), lambda b: b.image(f"{C}/x.JPG")),
    "suffix-alias": Case(lambda b: b.image(f"{C}/x.jfif"), lambda b: b.image(f"{C}/x.jpg")),
    "suffix-skipped": Case(
        lambda b: b.image(f"{C}/x.gif", format="GIF"), lambda b: b.image(f"{C}/x.bmp", format="BMP")
    ),
    "suffix-unknown": Case(
        lambda b: b.file(f"{C}/x.heic", b"x"), lambda b: b.file(f"{C}/x.md", b"x")
    ),
    "suffix-wrong": Case(
        lambda b: b.image(f"{C}/x.webp"), lambda b: b.image(f"{C}/x.webp", format="WEBP")
    ),
    "stem-shared": Case(
        lambda b: (b.image(f"{C}/x.png"), b.image(f"{C}/x.jpg")),
        lambda b: (b.image(f"{C}/x.png"), b.image(f"{C}/x.x.jpg")),
    ),
    "name-not-text": Case(
        lambda b: Path(os.fsdecode(os.fsencode(b.dataset / C) + b"/\xff.png")).write_bytes(b"x"),
        lambda b: b.image(f"{C}/もち.png"),
    ),
    "image-hidden": Case(
        lambda b: hidden(b, "._one.png"), lambda b: hidden(b, ".DS_Store"), "onetrainer"
    ),
    "image-linked": Case(linked, lambda b: b.image("elsewhere/x.png"), "onetrainer"),
    "excluded-present": Case(excluded, lambda b: None),
    "caption-missing": Case(lambda b: b.image(f"{C}/x.png", None), lambda b: b.caption("mochi, x")),
    "caption-elsewhere": Case(
        lambda b: (b.image(f"{C}/x.png", None), b.file(f"{C}/x.caption", "mochi, x")),
        lambda b: (b.image(f"{C}/x.png", None), b.file(f"{C}/y.caption", "mochi, x")),
    ),
    "caption-two-files": Case(
        lambda b: (b.caption("mochi, x"), b.file(f"{C}/fault.caption", "mochi, y")),
        lambda b: (b.caption("mochi, x"), b.file(f"{C}/fault.caption", "mochi, x\n")),
    ),
    "caption-borrowed": Case(
        lambda b: borrowed(b, "p_q_1_2_3_4"), lambda b: borrowed(b, "p_q_1_2_3")
    ),
    "caption-orphan": Case(
        lambda b: b.file(f"{C}/gone.txt", "x"), lambda b: b.file(f"{C}/gone.md", "x")
    ),
    "mask-trained": Case(
        lambda b: b.image(f"{C}/one-masklabel.png", None), lambda b: b.image(f"{C}/one-mask.png")
    ),
    "mask-orphan": Case(
        lambda b: b.image(f"{C}/gone-masklabel.png", None),
        lambda b: b.image(f"{C}/one-masklabel.png", None),
    ),
    "caption-empty": Case(lambda b: b.file(f"{C}/one.txt", b""), lambda b: None),
    "caption-bom": Case(
        lambda b: b.caption("\ufeffmochi, x"), lambda b: b.caption("mochi, x\ufeff")
    ),
    "caption-blank": Case(lambda b: b.caption(" \r\n"), lambda b: b.caption("mochi, x \r\n")),
    "caption-first-line-blank": Case(
        lambda b: b.caption("\n\nmochi, x"), lambda b: b.caption("mochi, x\n\n")
    ),
    "caption-encoding": Case(
        lambda b: b.caption("mochi, café".encode("cp1252")), lambda b: b.caption("mochi, café")
    ),
    "caption-unreadable": Case(unreadable, lambda b: None),
    "caption-odd-characters": Case(
        lambda b: b.caption("mochi\u200b, x"), lambda b: b.caption("mochi, é, 猫")
    ),
    "caption-odd-spaces": Case(
        lambda b: b.caption("mochi,\u00a0x,  y"), lambda b: b.caption("mochi,x,y")
    ),
    "caption-not-english": Case(
        lambda b: b.caption("mochi, ぼうし, smile"), lambda b: b.caption("mochi, béret, smile")
    ),
    "caption-wide-commas": Case(
        lambda b: b.caption("mochi，hat、x"), lambda b: b.caption("mochi, 女孩在海边，微笑着。")
    ),
    "caption-empty-tags": Case(
        lambda b: b.caption("mochi,, x,"), lambda b: b.caption("mochi, :,d, x")
    ),
    "wildcard-braces": Case(
        lambda b: b.caption("mochi, {red|blue hat"),
        lambda b: b.caption("mochi, {red|blue} hat, {{x}}, :}"),
        wildcards=True,
    ),
    "wildcard-unused": Case(
        lambda b: b.caption("mochi, {red|blue} hat"), lambda b: b.caption("mochi, {red} hat, |")
    ),
    "caption-extra-lines": Case(
        lambda b: b.caption("mochi, x\nA bear."), lambda b: b.caption("mochi, x\n")
    ),
    "captions-identical": Case(
        lambda b: same_captions(b, "mochi, bear"), lambda b: b.file(f"{C}/one.txt", "mochi, bear")
    ),
    "captions-bare": Case(
        lambda b: same_captions(b, "mochi"), lambda b: same_captions(b, "mochi, bear")
    ),
    "captions-repeated": Case(
        lambda b: b.caption("mochi, two hat, smile"), lambda b: b.caption("mochi, too hat, smile")
    ),
    "trigger-missing": Case(
        lambda b: b.caption("a hat, x"), lambda b: b.caption("Photo of mochi on a beach.")
    ),
    "trigger-misspelt": Case(
        lambda b: b.caption("mocih, x"),
        # It stands beside the right one elsewhere: a word of its own.
        lambda b: (b.caption("mochi, mocha, x"), b.caption("mocha, y", "other")),
    ),
    "trigger-not-first": Case(
        lambda b: b.caption("hat, mochi, x"), lambda b: b.caption("A hat on mochi, smiling.")
    ),
    "trigger-none": Case(
        lambda b: b.image("3_style/x.png"), lambda b: second_concept(b, "3_style", "qqwwz")
    ),
    "trigger-alike": Case(
        lambda b: second_concept(b, "3_friend", "moochi"),
        lambda b: second_concept(b, "3_friend", "daifuku"),
    ),
    "image-unreadable": Case(
        lambda b: b.file(f"{C}/x.png", b"no image"), lambda b: b.file(f"{C}/x.md", b"no image")
    ),
    "image-turned": Case(
        lambda b: b.image(f"{C}/x.jpg", exif=turned(6)),
        lambda b: b.image(f"{C}/x.jpg", exif=turned(1)),
    ),
    "image-transparent": Case(lambda b: transparent(b, 90), lambda b: transparent(b, 255)),
    "image-profile": Case(lambda b: profiled(b, WIDE), lambda b: profiled(b, SRGB)),
    "profile-broken": Case(lambda b: profiled(b, WIDE[:-99]), lambda b: profiled(b, WIDE)),
    "image-animated": Case(lambda b: animation(b, 2), lambda b: animation(b, 1)),
    "image-small": Case(
        lambda b: b.image(f"{C}/x.png", size=(300, 300)),
        lambda b: b.image(f"{C}/x.png", size=(480, 480)),
    ),
    "image-thin": Case(lambda b: no_upscale(b, 60), lambda b: no_upscale(b, 70)),
    "head-cut": Case(lambda b: red_head(b, 0), lambda b: red_head(b, 200)),
    "cache-size": Case(
        lambda b: b.cache(f"{C}/one_0512x0640_sd.npz"),
        lambda b: b.cache(f"{C}/one_0512x0512_sd.npz"),
    ),
    "cache-older": Case(
        lambda b: b.cache(f"{C}/one.npz", OLD, original_size=np.array([512, 512])),
        lambda b: b.cache(f"{C}/one.npz", original_size=np.array([512, 512])),
    ),
    "text-cache-older": Case(
        lambda b: b.cache(f"{C}/one_te_outputs.npz", OLD),
        lambda b: b.cache(f"{C}/one_te_outputs.npz"),
    ),
    "cache-broken": Case(
        lambda b: b.file(f"{C}/one.npz", b"PK no zip"), lambda b: b.cache(f"{C}/one.npz")
    ),
    "cache-orphan": Case(
        lambda b: b.cache(f"{C}/gone_0512x0512_sd.npz"),
        lambda b: b.cache(f"{C}/one_0512x0512_sd.npz"),
    ),
}
