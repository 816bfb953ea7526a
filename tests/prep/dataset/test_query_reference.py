"""What SQLite answers to a filter against the same filter, evaluated image by image in Python."""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prep import captions
from prep.captions.layers import ManualEdits
from prep.dataset.index import Index, ScannedCaption, ScannedImage
from prep.dataset.journal.manual_edits import ManualEditStore
from prep.dataset.query import And, Node, Not, Or, Query, Term
from prep.dataset.query import evaluate as evaluation
from prep.dataset.query.sets import ids_of
from prep.dataset.values import duplicates
from prep.images.crops import Box, to_text
from prep.project import Project
from prep.project.creation import initialise
from prep.system.files import text_hash
from prep.system.names import natural_key
from prep.tagging.models.obtain import GENERAL, TagTable
from prep.tagging.scores.store import ScoreStore

WORDS = ("hat", "long hair", "smile", "top hat", "night sky", ":d", "bear", "1girl")
SIZES = ((512, 512), (832, 1216), (100, 80), (1600, 900), (600, 650))
FOLDERS = ("10_mochi", "5_night", "solo")
RELATIONS = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}


@dataclass
class Picture:
    """All that a filter may ask about one image."""

    path: str
    folder: str
    size: int
    width: int
    height: int
    format: str
    orientation: int
    alpha: bool
    frames: int
    mask: bool
    error: str | None
    caption: str | None
    excluded: str | None
    crops: list[Box] = field(default_factory=list)
    hand: ManualEdits = field(default_factory=ManualEdits)
    score: float | None = None
    duplicate: str = ""
    kept: bool = False

    @property
    def tags(self) -> list[str]:
        return captions.unique(captions.split(self.caption or ""))


@dataclass(repr=False)
class Library:
    """An index and what its images are, by id."""

    index: Index
    pictures: dict[int, Picture]


def picture(number: int, rng: Random) -> Picture:
    folder = rng.choice(FOLDERS)
    width, height = rng.choice(SIZES)
    error = "cut off" if rng.random() < 0.1 else None
    words = ", ".join(rng.sample(WORDS, rng.randint(0, 5)))
    caption = rng.choice((None, words, words, words, f"{words}\nA bear in a hat, asleep."))
    duplicate = rng.choice(("", "", "", "near", "variant"))
    excluded = rng.choice((None, None, "by hand", "duplicate of x.png (exact)"))
    return Picture(
        path=f"dataset/{folder}/{rng.choice(('beach', 'Night', 'x'))}_{number}.png",
        folder=folder,
        size=rng.choice((10, 5_000, 3_000_000)),
        width=0 if error else width,
        height=0 if error else height,
        format=rng.choice(("PNG", "JPEG", "MPO")),
        orientation=rng.choice((1, 1, 6)),
        alpha=rng.random() < 0.3,
        frames=rng.choice((1, 1, 4)),
        mask=rng.random() < 0.3,
        error=error,
        caption=caption,
        excluded=excluded,
        crops=[Box(0, 0, 0.5, 1)] if rng.random() < 0.2 else [],
        hand=ManualEdits(added=rng.choice(((), ("hat",))), removed=rng.choice(((), ("smile",)))),
        score=None if rng.random() < 0.3 else rng.choice((0.0, 0.25, 0.5, 0.75)),
        duplicate=duplicate,
        kept=not duplicate and rng.random() < 0.2,
    )


@pytest.fixture(scope="module")
def library(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Library]:
    """Return an index of 80 made-up images, and what they are by id."""
    project = initialise(tmp_path_factory.mktemp("library"))
    project = project.saved({"concepts": {"solo": {"trigger": "kuma"}}})
    rng = Random(7)
    pictures = [picture(number, rng) for number in range(80)]
    with Index(project) as index:
        fill(index, pictures, rng)
        by_path = {each.path: each for each in pictures}
        yield Library(index, {row.id: by_path[row.path] for row in index.select()})


def fill(index: Index, pictures: list[Picture], rng: Random) -> None:
    index.put(
        ScannedImage(
            *(p.path, p.folder, p.size, 1, p.width, p.height, p.format, p.orientation),
            *(p.alpha, p.frames, p.error, p.mask),
        )
        for p in pictures
    )
    # Captions change once, so that the counts and lists of tags are really kept up to date.
    for texts in (lambda _: "hat, smile, old", lambda p: p.caption):
        index.put_captions(ScannedCaption(p.path, texts(p), 1, 1) for p in pictures)
    index.put_contents((p.path, p.path[::-1]) for p in pictures)
    ManualEditStore(index).put((p.path, p.caption, p.hand) for p in pictures)
    ManualEditStore(index).put(
        (p.path, "another text", ManualEdits(added=("bear",))) for p in pictures
    )
    table = TagTable(("rating", "smile"), (9, GENERAL))
    scored = [
        (p.path[::-1], np.array([1, p.score], np.float32)) for p in pictures if p.score is not None
    ]
    ScoreStore(index, "tagger", table).put(scored)
    with index.connection as execute:
        execute.executemany(
            "INSERT INTO work.exclusions VALUES(?, ?)",
            [(p.path, p.excluded) for p in pictures if p.excluded],
        )
        execute.executemany(
            "INSERT INTO work.crops VALUES(?, ?)",
            [(p.path, to_text(p.crops)) for p in pictures if p.crops],
        )
    kept = [p.path for p in pictures if p.kept]
    worse = [(p.path, p.duplicate) for p in pictures if p.duplicate]
    groups = [(path, reason, rng.choice(kept)) for path, reason in worse]
    duplicates.save(index.connection, [*groups, *((path, "near", path) for path in kept)])


def holds(node: Node, image: Picture, project: Project) -> bool:
    """Evaluate a filter for one image, straight from the description of its terms."""
    if isinstance(node, Not):
        return not holds(node.part, image, project)
    if isinstance(node, And):
        return all(holds(part, image, project) for part in node.parts)
    if isinstance(node, Or):
        return any(holds(part, image, project) for part in node.parts)
    if node.value == "no":
        return not _term(Term(node.field, "yes"), image, project)
    return _term(node, image, project)


def _term(term: Term, image: Picture, project: Project) -> bool:
    value, text = term.value, image.caption
    keys = [captions.key(tag) for tag in image.tags]
    if term.field in ("", "tag"):
        pattern = re.escape(captions.key(value))
        pattern = pattern if term.literal else pattern.replace(r"\*", ".*")
        return any(re.fullmatch(pattern, key) for key in keys)
    if term.field == "phrase":
        return text is not None and bool(re.search(rf"\b{value}\b", text))
    if term.field == "regex":
        return text is not None and bool(re.search(value, text, re.IGNORECASE))
    if term.field == "text":
        return text is not None and value.lower() in text.lower()
    if term.field == "name":
        return value.lower() in image.path.lower()
    if term.field == "file":
        return value == image.path
    if term.field in ("in", "concept"):
        names = {image.folder, image.folder.partition("_")[2]}
        return value in ({image.folder} if term.field == "in" else names | _trigger(image))
    if term.field in NUMBERS:
        number = NUMBERS[term.field](image)
        return number is not None and RELATIONS[term.relation](number, float(value))
    return _other(term, image, project)


def _trigger(image: Picture) -> set[str]:
    return {"kuma"} if image.folder == "solo" else set()


def seen(value: float, image: Picture) -> float | None:
    return value if image.width else None


NUMBERS: dict[str, Callable[[Picture], float | None]] = {
    "w": lambda i: seen(i.width, i),
    "h": lambda i: seen(i.height, i),
    "mp": lambda i: seen(i.width * i.height / 1e6, i),
    "ar": lambda i: seen(i.width / max(i.height, 1), i),
    "size": lambda i: i.size,
    "tags": lambda i: len(i.tags),
    "frames": lambda i: seen(i.frames, i),
    "orientation": lambda i: seen(i.orientation, i),
    "score": lambda i: i.score,
}


def _other(term: Term, image: Picture, project: Project) -> bool:
    sizes = [box.pixels((image.width, image.height)).size for box in image.crops if image.width]
    sizes = sizes or ([(image.width, image.height)] if image.width else [])
    fits = [project.buckets.fit(size) for size in sizes]
    answers = {
        ("has", "caption"): image.caption is not None,
        ("has", "tags"): bool(image.tags),
        ("has", "mask"): image.mask,
        ("has", "crop"): bool(image.crops),
        ("has", "error"): image.error is not None,
        ("error", "yes"): image.error is not None,
        ("alpha", "yes"): image.alpha,
        ("animated", "yes"): image.frames > 1,
        ("excluded", "yes"): image.excluded is not None,
        ("upscaled", "yes"): any(fit.upscaled for fit in fits),
        ("hand", "+"): bool(image.hand.added),
        ("hand", "-"): bool(image.hand.removed),
        ("hand", "+hat"): "hat" in image.hand.added,
        ("hand", "+bear"): False,
        ("format", "jpg"): image.format in ("JPEG", "MPO"),
        ("format", "png"): image.format == "PNG",
        ("dup", "yes"): image.duplicate == "near" or "duplicate" in (image.excluded or ""),
        ("dup", "near"): image.duplicate == "near",
        ("dup", "exact"): "(exact)" in (image.excluded or ""),
        ("dup", "variant"): image.duplicate == "variant",
    }
    if term.field == "bucket":
        return any(f"{fit.bucket[0]}x{fit.bucket[1]}" == term.value for fit in fits)
    return answers[term.field, term.value]


FLAGS = ("error", "alpha", "animated", "excluded", "upscaled")
CHOICES = [
    *(Term("has", value) for value in ("caption", "tags", "mask", "crop", "error")),
    *(Term(flag, value) for flag in FLAGS for value in ("yes", "no")),
    *(Term("hand", value) for value in ("+", "-", "+hat", "+bear")),
    *(Term("format", value) for value in ("jpg", "png")),
    *(Term("dup", value) for value in ("yes", "no", "near", "exact", "variant")),
    *(Term("bucket", value) for value in ("512x512", "384x576", "576x384", "256x512")),
    *(Term("in", folder) for folder in FOLDERS),
    *(Term("concept", name) for name in ("mochi", "solo", "kuma", "none")),
    *(Term("name", name) for name in ("BEACH", "_1", "é")),
    *(Term("file", f"dataset/{FOLDERS[0]}/beach_{number}.png") for number in range(8)),
    *(Term("text", word) for word in ("HAT", "asleep", "r, h")),
    *(Term("phrase", words, literal=True) for words in ("hat", "a hat", "hat, asleep", "in")),
    *(Term("regex", pattern) for pattern in ("^hat", r"b[aeo]ar\b", "$^")),
    *(Term("", tag) for tag in (*WORDS, "nothing", "*hat", "*i*", "Long_Hair", "*")),
    *(Term("tag", tag, literal=True) for tag in ("top hat", "*hat")),
]
LIMITS = {"w": (512, 600), "h": (512, 900), "mp": (0.1, 1), "ar": (1, 1.4), "size": (10, 5000)}
LIMITS |= {"tags": (0, 3), "frames": (1, 2), "orientation": (1, 6), "score": (0.25, 0.5)}
"""Numbers far enough from others of their kind for equality to be exact on both sides."""


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Node:
    kind = draw(st.sampled_from(("term", "term", "number", "not", "and", "or")))
    if depth and kind == "not":
        return Not(draw(trees(depth - 1)))
    if depth and kind in ("and", "or"):
        parts = [draw(trees(depth - 1)) for _ in range(draw(st.integers(2, 4)))]
        return And(tuple(parts)) if kind == "and" else Or(tuple(parts))
    if kind == "number":
        name = draw(st.sampled_from(sorted(LIMITS)))
        value = str(draw(st.sampled_from(LIMITS[name])))
        relation = draw(st.sampled_from(sorted(RELATIONS)))
        return Term(name, value, relation, of="smile" if name == "score" else "")
    return CHOICES[draw(st.integers(0, len(CHOICES) - 1))]


def asked(index: Index, tree: Node) -> list[int]:
    return ids_of(evaluation.Evaluator("", tree, index.project, index.connection).run())


@pytest.mark.parametrize("term", CHOICES, ids=str)
def test_each_term_alone(term: Term, library: Library) -> None:
    index, pictures = library.index, library.pictures
    expected = [n for n, image in pictures.items() if holds(term, image, index.project)]
    assert asked(index, term) == sorted(expected)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@given(tree=trees(), share=st.sampled_from((0.0, 1 / 16, 1.0)))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_sqlite_agrees_with_python(library: Library, tree: Node, share: float) -> None:
    index, pictures = library.index, library.pictures
    expected = [n for n, image in pictures.items() if holds(tree, image, index.project)]
    with pytest.MonkeyPatch.context() as patch:
        # Few images take the way that is meant for few among many, and the other way.
        patch.setattr(evaluation, "_FEW", share)
        assert asked(index, tree) == sorted(expected)


def test_ids_rows_and_counts_agree(library: Library) -> None:
    index, pictures = library.index, library.pictures
    for text in ("", "hat", "-hat", "tags>2 or error"):
        tree = Query.parse(text).tree
        chosen = [i for i in pictures.values() if tree is None or holds(tree, i, index.project)]
        assert [row.path for row in index.select(text)] == sorted(
            (image.path for image in chosen), key=natural_key
        )
        assert [row.id for row in index.iterate(text)] == list(index.ids(text))
        usable = [i for i in chosen if not i.error and not i.excluded]
        counts = dict(index.tag_counts(text))
        assert counts == {
            word: number for word in WORDS if (number := sum(word in i.tags for i in usable))
        }


def test_tokens_are_counted_when_asked_for(library: Library) -> None:
    index, pictures = library.index, library.pictures
    captioned = [i.path for i in pictures.values() if i.caption is not None]
    assert [row.path for row in index.select("tokens>=0")] == sorted(captioned, key=natural_key)
    assert index.select("tokens>75") == []
    assert {row.caption for row in index.select("tokens=1")} <= set(WORDS)
    assert index.connection.execute("SELECT count(*) FROM tokens").fetchone()[0] == len(
        {text_hash(i.caption) for i in pictures.values() if i.caption is not None}
    )
