"""State shared by all screens of an open project: index threads, drafts, signals.

SQLite connections belong to the thread that opened them, so each kind of access has its own
thread: a long count must not delay rows that scroll into view, and edits
must happen one after the other. Screens await; nothing here blocks the event loop.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from textual.dom import DOMNode
from textual.signal import Signal

from prep import captions
from prep.captions.translations import Translations
from prep.dataset.index import Index
from prep.dataset.journal.changes import Change
from prep.dataset.journal.edits import Edit, Journal, Outcome
from prep.dataset.journal.settings_change import settings_change
from prep.dataset.journal.taking_back import take_back
from prep.events import Warned
from prep.language import marked
from prep.project import FILE_NAME, Project
from prep.system.memory import give_back
from tui.drafts import Drafts
from tui.graphics.overlay import Overlay
from tui.jobs.follow import JobBoard, JobView
from tui.jobs.launch import Launcher
from tui.notices import report
from tui.scope import Scope
from tui.stages import StageState

T = TypeVar("T")

_FRONT_END = marked("terminal application")
_LISTED = 1000
"""Edits in the history."""
_LONG = 0.5
"""Seconds of work after which there may be much memory to give back."""


class IndexThread:
    """One thread that owns one open index."""

    def __init__(self, project: Project, name: str) -> None:
        self._project = project
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"shikomi-{name}")
        self._index: Index | None = None

    async def run(self, work: Callable[[Index], T]) -> T:
        """Do ``work`` in the thread; queued work is dropped if the caller is cancelled."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._call, work)

    def use(self, project: Project) -> None:
        """Open the index again for a project whose settings have changed."""
        self._project = project
        self._pool.submit(self._close)

    def close(self) -> None:
        """Finish running work and close the index."""
        if self._index is not None:
            self._index.connection.interrupt()
        self._pool.submit(self._close)
        self._pool.shutdown(wait=True)

    def _call(self, work: Callable[[Index], T]) -> T:
        if self._index is None:
            self._index = Index(self._project)
        start = time.monotonic()
        try:
            return work(self._index)
        finally:
            if time.monotonic() - start > _LONG:
                give_back()

    def _close(self) -> None:
        index, self._index = self._index, None
        if index is not None:
            index.close()


class Session:
    """An open project.

    Attributes:
        drafts: Captions that are typed but not saved.
        crop_drafts: Crops that are drawn but not saved.
        launcher: Lets one start of a job through at a time.
        overlay: The pictures on the screen, and what the terminal can show.
        scanned: All images were looked for once, so that none means none.
        rows: Fetches rows that scroll into view; nothing slow may run there.
        queries: Runs filters and previews.
        counts: Runs counts that take long in a large dataset.
        trials: Tries thresholds on kept scores.
        dataset_changed: Published with a reason when rows, captions or settings may differ.
        edited: Published with the outcome of each edit.
        turned: Published with the outcome of each undo and redo.
        jobs_changed: Published with each job that has news.
        scope: The images that are chosen in the list; commands of all stages work on them.
        typed: What was entered in the forms of verbs, by verb and option.
        translations: What tags mean in the user's language; ``None`` while there is nothing.
        translated: Published when the translations are others.
        wanted: Path of an image to show in Images the next time; empty for none.
        remarks: States of stages that only their screens know.
        remarked: Published with the stage whose remark is new.
    """

    def __init__(self, owner: DOMNode, project: Project, overlay: Overlay | None = None) -> None:
        self.project = project
        self.rows = IndexThread(project, "rows")
        self.queries = IndexThread(project, "queries")
        self.counts = IndexThread(project, "counts")
        self.trials = IndexThread(project, "trials")
        self._writer = IndexThread(project, "writer")
        self._painters = ThreadPoolExecutor(2, thread_name_prefix="shikomi-paint")
        self.scope = Scope()
        self.typed: dict[str, dict[str, Any]] = {}
        self.drafts = Drafts(project, lambda error: report(owner, error))
        self.crop_drafts = Drafts(project, lambda error: report(owner, error), "crop_drafts")
        self.overlay = overlay or Overlay()
        self.remarks: dict[str, StageState] = {}
        self.board = JobBoard(project.jobs)
        self.launcher = Launcher()
        self.translations: Translations | None = None
        self.scanned = False
        self.wanted = ""
        self.dataset_changed: Signal[str] = Signal(owner, "dataset")
        self._mine: set[int] = set()
        self.edited: Signal[Outcome] = Signal(owner, "edited")
        self.turned: Signal[Outcome] = Signal(owner, "turned")
        self.jobs_changed: Signal[JobView] = Signal(owner, "jobs")
        self.remarked: Signal[str] = Signal(owner, "remarked")
        self.translated: Signal[None] = Signal(owner, "translated")

    def translation(self, tag: str) -> str:
        """Return what a tag means in the user's language; empty if that is not known."""
        return "" if self.translations is None else self.translations.of(tag)

    def with_translation(self, tag: str) -> str:
        """Return a tag with what it means, for lists: ``hat·帽子``; alone if that is not known."""
        meaning = self.translation(tag)
        return f"{tag}·{meaning}" if meaning else tag

    def close(self) -> None:
        """End all threads; running work is finished first."""
        self.drafts.close()
        self.crop_drafts.close()
        self._painters.shutdown(wait=True, cancel_futures=True)
        for thread in self._threads:
            thread.close()

    @property
    def _threads(self) -> tuple[IndexThread, ...]:
        return self.rows, self.queries, self.counts, self.trials, self._writer

    async def paint(self, work: Callable[[], T]) -> T:
        """Do something slow with pixels; queued work is dropped if the caller is cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._painters, work)

    # ---- edits ---------------------------------------------------------------------------

    async def edit(self, title: str, changes: Iterable[Change]) -> Outcome:
        """Make changes as one edit and notify subscribers."""
        wanted = list(changes)
        return await self.decide(lambda _: (title, wanted))

    async def decide(self, make: Callable[[Index], tuple[str, Iterable[Change]]]) -> Outcome:
        """Make an edit that is decided when it is made, from the state that it finds then.

        Args:
            make: Returns title and changes; called in the thread that makes them.
        """
        done = await self._journal(lambda journal, index: journal.apply(*make(index)))
        self._mine.add(done.edit)
        self.edited.publish(done)
        return done

    async def carry_out(self, work: Callable[[Index], Outcome]) -> Outcome:
        """Make an edit with an operation that journals what it does itself, and publish it."""
        done = await self._journal(lambda _, index: work(index))
        if done.edit:
            self._mine.add(done.edit)
            self.edited.publish(done)
        return done

    async def upcoming(self, *, undo: bool) -> Edit | None:
        """Return the edit that would be undone or redone next."""
        return await self._writer.run(lambda index: Journal(index).upcoming(undo=undo))

    async def history(self) -> list[Edit]:
        """Return the edits, newest first."""
        return await self._writer.run(lambda index: Journal(index).history(_LISTED))

    async def changes_of(self, edit: Edit, limit: int) -> list[Change]:
        """Return the first changes of an edit."""
        return await self._writer.run(lambda index: Journal(index).changes(edit.id, limit))

    async def take_back(self, edit: Edit) -> Outcome:
        """Revert any edit, except where something later stands on it."""
        done = await self._journal(lambda journal, index: take_back(index, journal, edit))
        self._mine.add(done.edit)
        self.turned.publish(done)
        return done

    def adopt(self, number: int) -> None:
        """Count an edit as one of this session: a process that it started has made it."""
        self._mine.add(number)

    def made(self, edit: Edit) -> bool:
        """Return whether an edit was made, undone or redone in this session."""
        return edit.id in self._mine

    async def unfinished(self) -> list[Warned]:
        """Finish edits that were interrupted; return what to tell of those and of others."""

        def open_journal(index: Index) -> tuple[bool, list[Warned]]:
            from prep.ops import edit  # not needed for the first frame

            journal = Journal(index)
            told = [event for event in edit.unfinished(journal) if isinstance(event, Warned)]
            return bool(journal.recovered), told

        changed, told = await self._writer.run(open_journal)
        if changed:
            self.dataset_changed.publish("edit")
        return told

    async def turn(self, edit: Edit, *, undo: bool) -> Outcome:
        """Undo or redo exactly this edit.

        Raises:
            RetryError: It is not the next one any more.
        """

        def work(journal: Journal, _: Index) -> Outcome:
            return journal.undo(edit.id) if undo else journal.redo(edit.id)

        done = await self._journal(work)
        self._mine.add(done.edit)
        self.turned.publish(done)
        return done

    async def read_caption(self, path: str) -> str | None:
        """Read the caption file of an image as it is now."""
        return await self._writer.run(lambda index: captions.read(index.project.caption_file(path)))

    async def _journal(self, work: Callable[[Journal, Index], Outcome]) -> Outcome:
        outcome = await self._writer.run(lambda index: work(Journal(index, _FRONT_END), index))
        if any(change.path == FILE_NAME for change in outcome.changed):
            self.reopen(await asyncio.to_thread(Project.open, self.project.root))
        elif outcome.changed:
            self.dataset_changed.publish("edit")
        return outcome

    # ---- settings ------------------------------------------------------------------------

    async def save_settings(self, title: str, changes: Mapping[str, Any]) -> None:
        """Merge changes into ``shikomi.toml`` as it is now, as one edit, and notify subscribers."""
        root = self.project.root

        def make(_index: Index) -> tuple[str, list[Change]]:
            change, _project = settings_change(Project.open(root), changes)
            return title, [change] if change.before != change.after else []

        await self.decide(make)

    def reopen(self, project: Project) -> None:
        """Continue with new settings of the same project."""
        self.project = project
        for thread in self._threads:
            thread.use(project)
        self.dataset_changed.publish("settings")
