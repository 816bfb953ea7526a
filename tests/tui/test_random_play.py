"""Random play: whatever is pressed, files are what an independent model says, and undo is whole.

The model knows images, captions, drafts and what can be undone; it knows nothing of the code. Keys
come one by one or in bursts, between changes of stage and size.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from textual import events

from prep.dataset.index import Index
from prep.project import Project
from prep.project.creation import initialise
from tests.conftest import draw_numbered
from tests.tui.driving import Opened, running
from tui.screens.images import ImagesScreen
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.image_list import ImageList

CAPTIONS = (b"cat, hat", b"dog\r\n", None, b"  bird ,  blue\n\n", "ねこ, 帽子\n".encode(), None)
"""What the files hold at first: their odd ends and blanks must come back, too."""
SIZES = ((80, 24), (140, 40), (200, 60))
STAGES = ("dupes", "crop", "plan", "samples")
_KEYS = {",": "comma", " ": "space"}


@dataclass
class Model:
    """What a user expects.

    Attributes:
        captions: The caption of each image without blanks around it; empty for none.
        drafts: What is typed and not saved, by image.
        excluded: Images that are left out.
        cursor: The place in the list.
        undo: Inverses of the edits, newest last.
        redo: Edits that were undone, newest last.
    """

    captions: list[str]
    drafts: dict[int, str] = field(default_factory=dict)
    excluded: set[int] = field(default_factory=set)
    cursor: int = 0
    undo: list[tuple[str, int, str, str]] = field(default_factory=list)
    redo: list[tuple[str, int, str, str]] = field(default_factory=list)

    def move(self, lines: int) -> list[str]:
        self.cursor = min(max(self.cursor + lines, 0), len(self.captions) - 1)
        return ["j" if lines > 0 else "k"] * abs(lines)

    def write(self, text: str, erased: int, end: str) -> list[str]:
        """Type into the caption under the cursor; save, save and go on, or leave a draft."""
        keys = ["e", *(_KEYS.get(letter, letter) for letter in text), *["backspace"] * erased]
        typed = self.drafts.get(self.cursor, self.captions[self.cursor]) + text
        typed = typed[: max(0, len(typed) - erased)]
        if typed == self.captions[self.cursor]:
            self.drafts.pop(self.cursor, None)
        else:
            self.drafts[self.cursor] = typed
        if end != "draft":
            self._save()
            keys.append("ctrl+s" if end == "save" else "ctrl+n")
            self.cursor = min(self.cursor + (end == "next"), len(self.captions) - 1)
        return [*keys, "escape"]

    def _save(self) -> None:
        if self.cursor in self.drafts:
            before, after = self.captions[self.cursor], self.drafts.pop(self.cursor)
            self._do(("caption", self.cursor, before, after))

    def exclude(self) -> list[str]:
        out = "" if self.cursor in self.excluded else "out"
        self._do(("exclude", self.cursor, "" if out else "out", out))
        return ["x"]

    def turn(self, back: bool) -> list[str]:
        source, target = (self.undo, self.redo) if back else (self.redo, self.undo)
        if source and not self.drafts:  # what becomes of drafts is asked, and has its own tests
            edit = source.pop()
            target.append(edit)
            self._set(edit, edit[2] if back else edit[3])
            return ["u" if back else "ctrl+r"]
        return []

    def _do(self, edit: tuple[str, int, str, str]) -> None:
        self.undo.append(edit)
        self.redo.clear()
        self._set(edit, edit[3])

    def _set(self, edit: tuple[str, int, str, str], value: str) -> None:
        kind, image, *_ = edit
        if kind == "caption":
            self.captions[image] = value
        elif value:
            self.excluded.add(image)
        else:
            self.excluded.discard(image)


Play = Callable[[Model], list[str] | Callable[[Opened], Awaitable[None]]]


def _visit(stage: str) -> Play:
    async def visit(opened: Opened) -> None:
        await opened.go(stage)
        await opened.go("images")

    return lambda _: visit


def _resize(size: tuple[int, int]) -> Play:
    async def resize(opened: Opened) -> None:
        await opened.pilot.resize_terminal(*size)
        await opened.settled()

    return lambda _: resize


# Blanks at the ends are typed by nobody on purpose, and whether they are kept is not the question.
WORDS = st.text("ab,c", min_size=1, max_size=6)
PLAYS: st.SearchStrategy[Play] = st.one_of(
    st.integers(-4, 4).map(lambda lines: lambda model: model.move(lines)),
    st.tuples(WORDS, st.integers(0, 8), st.sampled_from(["save", "next", "draft"])).map(
        lambda typed: lambda model: model.write(*typed)
    ),
    st.just(Model.exclude),
    st.booleans().map(lambda back: lambda model: model.turn(back)),
    st.sampled_from(STAGES).map(_visit),
    st.sampled_from(SIZES).map(_resize),
)


def project_in(folder: Path) -> Project:
    project = initialise(folder)
    for number, caption in enumerate(CAPTIONS):
        file = project.dataset / "10_mochi" / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        draw_numbered(number, (96, 64)).save(file)
        if caption is not None:
            file.with_suffix(".txt").write_bytes(caption)
    return Project.open(folder)


def files(project: Project) -> list[bytes | None]:
    paths = [project.dataset / "10_mochi" / f"{n}.txt" for n in range(len(CAPTIONS))]
    return [path.read_bytes() if path.exists() else None for path in paths]


def state(project: Project) -> tuple[list[str], set[int]]:
    with Index(project) as index:
        excluded = {int(Path(row.path).stem) for row in index.select("excluded:yes")}
    return [(each or b"").decode().strip() for each in files(project)], excluded


async def send(opened: Opened, keys: list[str], burst: bool) -> None:
    if not burst:
        for key in keys:
            await opened.press(key)
        return
    for key in keys:
        character = next((c for c, name in _KEYS.items() if name == key), key)
        opened.app.post_message(events.Key(key, character if len(character) == 1 else None))
    await opened.settled()


async def play(project: Project, plays: list[tuple[Play, bool]]) -> None:
    before = files(project)
    model = Model(state(project)[0])
    async with running(project) as opened:
        screen = opened.app.screen
        assert isinstance(screen, ImagesScreen)
        images, editor = screen.query_one(ImageList), screen.query_one(CaptionEditor)

        def as_expected() -> bool:
            here = model.drafts.get(model.cursor, model.captions[model.cursor]).strip()
            return (
                images.cursor == model.cursor
                and editor.text.strip() == here
                and state(project) == ([each.strip() for each in model.captions], model.excluded)
            )

        for make, burst in plays:
            done = make(model)
            if callable(done):
                await done(opened)
            else:
                await send(opened, done, burst)
            await opened.until(as_expected)
        for image in sorted(model.drafts):
            await send(opened, model.move(image - model.cursor), True)
            await send(opened, model.write("", 0, "save"), True)
            await opened.until(as_expected)
        while model.undo:
            await send(opened, model.turn(back=True), False)
            await opened.until(as_expected)
    assert files(project) == before


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.lists(st.tuples(PLAYS, st.booleans()), min_size=6, max_size=16))
def test_files_are_what_was_meant_and_undo_restores_every_byte(
    plays: list[tuple[Play, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(project_in(Path(folder) / "project"), plays))
