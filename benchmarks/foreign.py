"""A corpus from other people's pictures: what ``shikomi dupes`` finds among copies and variants.

    python -m benchmarks.foreign FOLDER --half report [--seed 11]

FOLDER holds one folder for each package of ``HALVES``, as unpacked from Debian (``apt-get download
PACKAGE`` and ``dpkg -x PACKAGE*.deb FOLDER/PACKAGE``), from PyPI (``pip install --target
FOLDER/scikit-image scikit-image``) or from npm (``npm pack``); avatars are drawn
by ``dicebear.mjs``. Missing packages are skipped and
named. None of the pictures can be part of this repository (most are under the GPL).

The constants of ``prep/curation/duplicates`` were chosen with the half ``tuning`` alone; the half
``report`` has other packages, fonts, texts and seeds. ``later`` came after the last rule that was
drawn from a run of ``report``, and has again other ones. ``lines`` came after what was drawn from
``later``: clip art, most of it outlines or flat shapes, and photographs. Figures on a plain and on
a drawn background differ in the expression only, as the sprites of a visual novel do: they are the
negatives.
"""

import argparse
import random
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from benchmarks.bench_prep import drain
from benchmarks.duplicates import cpu
from benchmarks.edits import EDITS, MIRRORED
from benchmarks.marks import KINDS, MarkMaker, Texts
from prep import events
from prep.ops import dupes, scan
from prep.ops.dupes import DupesOptions
from prep.project import Project
from prep.project.creation import initialise

_CAMPAIGNS = "usr/share/games/wesnoth/1.16/data/campaigns/*/images"
_CORE = "usr/share/games/wesnoth/1.16/data/core/images"
_ENDLESS = "usr/share/games/endless-sky/images"
_CLIPART = "usr/share/openclipart/png"
_SPRITE_HEIGHT, _LARGEST, _SMALLEST = 700, 900, 200
_PLAIN = ((255, 255, 255), (205, 220, 235), (90, 100, 120))
_MOST = 40
"""Pictures taken from one pattern of files, at most."""


class Half(NamedTuple):
    """What one half of the corpus is made of.

    Attributes:
        scenes: Package -> patterns of pictures without transparency.
        figures: Package -> patterns of figures, laid over backgrounds of this half.
        fonts: Folders with fonts for marks.
        texts: What marks say.
        known: Names of pictures that are the same as another one, and left out.
        alike: Beginnings of names: pictures whose names begin so are one drawing in several tints,
            and count as one on the same background.
    """

    scenes: Mapping[str, Sequence[str]]
    figures: Mapping[str, Sequence[str]]
    fonts: Sequence[str]
    texts: Texts
    known: Sequence[str] = ()
    alike: Sequence[str] = ()


HALVES: Mapping[str, Half] = MappingProxyType(
    {
        "tuning": Half(
            scenes={
                "renpy-demo": ("**/images/bg [cw]*.jpg", "**/images/concert*.png"),
                "wesnoth-1.16-data": (f"{_CORE}/story/*.jpg",),
                "wesnoth-1.16-httt": (f"{_CAMPAIGNS}/**/*.jpg",),
                "mate-backgrounds": ("**/nature/*.jpg",),
                "scikit-image": ("skimage/data/*.png", "skimage/data/*.jpg"),
                "scikit-learn": ("sklearn/datasets/images/*.jpg",),
                "dicebear-tuning": ("**/*.png",),
            },
            figures={
                "renpy-demo": ("**/images/eileen*.png", "**/images/lucy*.png"),
                "wesnoth-1.16-httt": (f"{_CAMPAIGNS}/portraits/**/*.png",),
                "wesnoth-1.16-data": (f"{_CORE}/portraits/[eh]*/*.[pw]*",),
            },
            fonts=("fonts-dejavu-core", "fonts-liberation", "fonts-lobster", "fonts-ecolier-court"),
            texts={
                "signature": ("M. Kowalski", "j.doe 23", "Anna R.", "xX_artist_Xx"),
                "credit": ("(c) 2021 Some Studio. All rights reserved", "photo: A. Nonymous"),
                "stamp": ("SAMPLE", "PROOF", "DO NOT COPY"),
                "tile": ("stockpics", "preview only"),
                "site": ("www.board.example/123", "http://art.example"),
            },
            known=("chessboard_RGB.png",),
        ),
        "report": Half(
            scenes={
                "renpy-thequestion": ("**/images/bg *.jpg",),
                "lomiri-wallpapers-16.04": ("**/*.jpg",),
                "lomiri-wallpapers-20.04": ("**/*.jpg",),
                "ukui-wallpapers": ("**/backgrounds/*.[jp]*",),
                "wesnoth-1.16-trow": (f"{_CAMPAIGNS}/story/*.jpg",),
                "wesnoth-1.16-utbs": (f"{_CAMPAIGNS}/story/*.jpg",),
                "wesnoth-1.16-sof": (f"{_CAMPAIGNS}/story/*.jpg",),
                "wesnoth-1.16-sota": (f"{_CAMPAIGNS}/story/*.jpg",),
                "wesnoth-1.16-l": (f"{_CAMPAIGNS}/story/*.jpg",),
                "dicebear-report": ("*/Ada*.png", "*/Bo*.png"),
                "fluent-emoji-3d": ("assets/1f60*.webp", "assets/1f61*.webp", "assets/1f43?.webp"),
            },
            figures={
                "renpy-thequestion": ("**/images/sylvie*.png",),
                "wesnoth-1.16-trow": (f"{_CAMPAIGNS}/portraits/**/*.png",),
                "wesnoth-1.16-utbs": (f"{_CAMPAIGNS}/portraits/**/*.png",),
                "wesnoth-1.16-low": (f"{_CAMPAIGNS}/portraits/**/*.png",),
                "wesnoth-1.16-sotbe": (f"{_CAMPAIGNS}/portraits/**/*.png",),
                "wesnoth-1.16-dm": (f"{_CAMPAIGNS}/**/portraits/**/*.png",),
            },
            fonts=("fonts-bebas-neue", "fonts-quicksand", "fonts-dkg-handwriting",
                   "fonts-comic-neue", "fonts-cantarell"),
            texts={
                "signature": ("Sanna Lind", "k. okafor '19", "P.Q.", "by nightowl"),
                "credit": ("Copyright 2018 Harbour Pictures Ltd", "fotografie: B. Muster / agentur",
                           "do not repost"),
                "stamp": ("SPECIMEN", "DRAFT", "NOT FOR SALE", "VOID"),
                "tile": ("harbour pictures", "(c) lind", "unlicensed"),
                "site": ("gallery.example/view?id=77", "example.net | more at www.example.net"),
            },
        ),
        "later": Half(
            scenes={
                "gnome-backgrounds": ("**/*.webp",),
                "plasma-workspace-wallpapers": ("**/contents/images/1920x1080.*",),
                "wesnoth-1.16-did": (f"{_CAMPAIGNS}/story/*.jpg",),
                "wesnoth-1.16-tsg": (f"{_CAMPAIGNS}/story/*.jpg",),
                "wesnoth-1.16-ttb": (f"{_CAMPAIGNS}/story/*.jpg",),
            },
            figures={
                "wesnoth-1.16-did": (f"{_CAMPAIGNS}/portraits/**/*.[pw]*",),
                "wesnoth-1.16-dw": (f"{_CAMPAIGNS}/portraits/**/*.[pw]*",),
                "wesnoth-1.16-ei": (f"{_CAMPAIGNS}/portraits/**/*.[pw]*",),
                "wesnoth-1.16-nr": (f"{_CAMPAIGNS}/portraits/**/*.[pw]*",),
                "wesnoth-1.16-thot": (f"{_CAMPAIGNS}/portraits/**/*.[pw]*",),
                "wesnoth-1.16-tsg": (f"{_CAMPAIGNS}/portraits/**/*.[pw]*",),
                "wesnoth-1.16-ttb": (f"{_CAMPAIGNS}/portraits/**/*.[pw]*",),
                "tuxpaint-stamps-default": (
                    "**/animals/**/*.png", "**/food/**/*.png", "**/seasonal/**/*.png",
                    "**/clothes/**/*.png", "**/alphabets/asl/*.png",
                ),
            },
            fonts=("fonts-roboto-unhinted", "fonts-lato", "fonts-vlgothic", "fonts-oldstandard",
                   "fonts-junicode"),
            texts={
                "signature": ("Yuki T.", "drawn by elo", "H. Marek 2020", "@quietfox"),
                "credit": ("Image courtesy of the Northern Archive", "(c) 2016 R. Adeyemi",
                           "all pictures by their owners"),
                "stamp": ("PREVIEW", "COPY", "INTERNAL USE", "EXAMPLE"),
                "tile": ("northern archive", "quietfox.example", "no reuse"),
                "site": ("http://pics.example/u/quietfox", "archive.example"),
            },
            alike=("maskeddwarf",),
        ),
        "lines": Half(
            scenes={
                "endless-sky-data": (f"{_ENDLESS}/land/*.jpg", f"{_ENDLESS}/scene/*.jpg"),
                "flare-game": ("**/images/**/*.jpg",),
            },
            figures={
                "openclipart-png": (
                    f"{_CLIPART}/people/bodypart/*.png", f"{_CLIPART}/people/*.png",
                    f"{_CLIPART}/people/stickmen/*.png", f"{_CLIPART}/animals/mammals/*.png",
                    f"{_CLIPART}/shapes/arrows/*.png", f"{_CLIPART}/tools/*.png",
                ),
                "tuxpaint-data": ("**/starters/*.png",),
                "flare-game": ("**/portraits/**/*.png",),
            },
            fonts=("fonts-ebgaramond", "fonts-courier-prime", "fonts-inconsolata",
                   "fonts-dancingscript", "fonts-jura"),
            texts={
                "signature": ("Iris Vo", "~ mar ~", "T. Lindqvist '22", "owl & co."),
                "credit": ("Picture desk / Ostsee Press 2015", "(c) all by N. Ferreira",
                           "shared under no licence"),
                "stamp": ("TRIAL", "NOT FINAL", "REVIEW", "ARCHIVE COPY"),
                "tile": ("ostsee press", "n. ferreira", "for review"),
                "site": ("www.ostsee.example/p/5512", "n-ferreira.example"),
            },
        ),
    }
)  # fmt: skip


# ---- sources ---------------------------------------------------------------------------------


def sources(folder: Path, half: Half, rng: random.Random) -> Iterator[tuple[str, Image.Image]]:
    """Yield the name and pixels of each picture; no two are the same picture."""
    scenes = list(_files(folder, half.scenes))
    for path in scenes:
        if path.name not in half.known:
            yield path.stem, _limited(_opened(path).convert("RGB"), _LARGEST)
    grounds = [path for path in scenes if path.suffix == ".jpg"]
    for package, patterns in half.figures.items():
        # One background for a package: its figures then differ in the expression only.
        plain, drawn = Image.new("RGB", (1, 1), rng.choice(_PLAIN)), rng.choice(grounds)
        with Image.open(drawn) as opened:
            ground = opened.convert("RGB")
        for path in _files(folder, {package: patterns}):
            if path.name not in half.known:
                figure = _limited(_opened(path).convert("RGBA"), _SPRITE_HEIGHT)
                yield f"{path.stem} plain", _over(plain, figure)
                if np.asarray(figure.getchannel("A")).min() < 128:
                    yield f"{path.stem} drawn", _over(ground, figure)


def _files(folder: Path, wanted: Mapping[str, Sequence[str]]) -> Iterator[Path]:
    for package, patterns in wanted.items():
        if not (folder / package).is_dir():
            print(f"  missing: {package}")
            continue
        for pattern in patterns:
            found = sorted((folder / package).glob(pattern))
            usable = [path for path in found if min(_opened(path).size) >= _SMALLEST]
            yield from usable if package.startswith("dicebear") else usable[:_MOST]


def fonts(folder: Path, half: Half) -> list[Path]:
    """Return the files of the fonts of a half."""
    return [path for each in half.fonts for path in sorted((folder / each).glob("**/*.[ot]tf"))]


def _opened(path: Path) -> Image.Image:
    return Image.open(path)


def _limited(image: Image.Image, side: int) -> Image.Image:
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def _over(ground: Image.Image, figure: Image.Image) -> Image.Image:
    """Lay a figure over a background of its size."""
    fitted = ImageOps.fit(ground, figure.size).convert("RGBA")
    return Image.alpha_composite(fitted, figure).convert("RGB")


# ---- copies ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Copy:
    """One file: its name, the number and name of the picture it shows, and what was done to it.

    Tints of one drawing have the number of the first.
    """

    name: str
    picture: int
    source: str
    edit: str


def make(target: Path, folder: Path, half: Half, seed: int, share: float) -> list[Copy]:
    """Save all pictures, and copies of a share of them; return what is what.

    A picture with copies has two edited, one mirrored, two marked and one marked and edited copy.
    """
    rng = random.Random(seed)
    target.mkdir(parents=True)
    marker = MarkMaker(fonts(folder, half), half.texts, rng)
    files: list[Copy] = []
    shown: dict[str, int] = {}
    for number, (source, picture) in enumerate(sources(folder, half, rng)):
        drawing = _without_tint(source, half)
        same = shown.setdefault(drawing, number) if drawing else number
        made = {"original": picture}
        if rng.random() < share:
            made |= _copies(picture, marker, rng)
        for place, (edit, image) in enumerate(made.items()):
            suffix = rng.choice((".jpg", ".jpg", ".png", ".webp"))
            name = f"{number:04} {source} {place}{suffix}"
            # PNG ignores the quality, the others the level of compression.
            image.save(target / name, quality=rng.randint(80, 95), compress_level=1)
            files.append(Copy(name, same, source, edit))
    return files


def _without_tint(source: str, half: Half) -> str:
    """Return what the name of a picture has in common with its other tints; empty without any."""
    for start in half.alike:
        if source.startswith(start):
            return f"{start} {source.rpartition(' ')[2]}"
    return ""


def _copies(picture: Image.Image, marker: MarkMaker, rng: random.Random) -> dict[str, Image.Image]:
    made = {name: EDITS[name](picture, rng) for name in rng.sample(list(EDITS), 2)}
    name = rng.choice(list(MIRRORED))
    made[name] = MIRRORED[name](picture, rng)
    first, second, third = rng.sample(list(KINDS), 3)
    for kind in (first, second):
        made[kind] = marker.put(picture, kind)
    made["marked and edited"] = rng.choice(list(EDITS.values()))(marker.put(picture, third), rng)
    return made


# ---- what is found ---------------------------------------------------------------------------


class Found(NamedTuple):
    """Pairs of files that ``shikomi dupes`` reports, and the seconds of processor time it takes."""

    sure: list[tuple[str, str]]
    uncertain: list[tuple[str, str]]
    seconds: float


def search(project: Project) -> Found:
    """Run ``shikomi dupes``."""
    drain(scan.run(project))
    found = Found([], [], 0)
    begin = cpu()
    for event in dupes.run(project, DupesOptions()):
        if isinstance(event, events.Group):
            keep = Path(event.keep).name
            pairs = found.uncertain if event.reason == "uncertain" else found.sure
            pairs += [(keep, Path(path).name) for path in event.images if path != event.keep]
    return found._replace(seconds=cpu() - begin)


def report(files: Sequence[Copy], found: Found) -> None:
    """Print recall by edit, and precision of all pairs, with the names of wrong ones."""
    by_name = {file.name: file for file in files}

    def right(pair: tuple[str, str]) -> bool:
        return by_name[pair[0]].picture == by_name[pair[1]].picture

    sure = {name for pair in found.sure if right(pair) for name in pair}
    shown = sure | {name for pair in found.uncertain if right(pair) for name in pair}
    by_edit: dict[str, list[Copy]] = defaultdict(list)
    for file in files:
        if file.edit != "original":
            by_edit[file.edit].append(file)
    print(f"{len(files)} files of {sum(file.edit == 'original' for file in files)} pictures")
    for edit, copies in sorted(by_edit.items()):
        _print_recall(edit, copies, sure, shown)
    groups = {"plain copies": EDITS, "mirrored": MIRRORED, "marked": [*KINDS, "marked and edited"]}
    for name, edits in groups.items():
        _print_recall(name, [file for edit in edits for file in by_edit[edit]], sure, shown)
    _print_recall("all copies", [file for file in files if file.edit != "original"], sure, shown)
    wrong = [pair for pair in found.sure if not right(pair)]
    share = 1 - len(wrong) / max(1, len(found.sure))
    print(f"precision of {len(found.sure)} sure pairs: {share:.4f}")
    for pair in wrong:
        print(f"  wrong: {pair[0]} | {pair[1]}")
    doubtful = [pair for pair in found.uncertain if not right(pair)]
    print(f"uncertain pairs: {len(found.uncertain)}, of which {len(doubtful)} are variants")
    print(f"CPU seconds: {found.seconds:.0f}")


def _print_recall(
    name: str, copies: Sequence[Copy], sure: Collection[str], shown: Collection[str]
) -> None:
    hits = sum(file.name in sure for file in copies)
    seen = sum(file.name in shown for file in copies)
    count = max(1, len(copies))
    print(f"  {name:<28}{hits:>5} of {len(copies):<5} recall {hits / count:.3f},"
          f" with uncertain ones {seen / count:.3f}")  # fmt: skip


def main() -> None:
    """Make the corpus, search it, and print what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", choices=sorted(HALVES), default="report")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--share", type=float, default=0.5, help="of pictures that get copies")
    parser.add_argument("--keep", type=Path, help="leave the corpus in this folder")
    options = parser.parse_args()
    half = HALVES[options.half]
    with tempfile.TemporaryDirectory() as name:
        project = initialise(options.keep or Path(name) / "foreign")
        files = make(
            project.dataset / "10_foreign", options.folder, half, options.seed, options.share
        )
        packages = sorted({*half.scenes, *half.figures})
        print(f"half: {options.half}, seed {options.seed}, sources: {', '.join(packages)}")
        report(files, search(project))


if __name__ == "__main__":
    main()
