"""Tag images with a WD tagger and write layered captions, as one edit that can be undone.

Inference runs only for contents without scores, and scores are stored as they come: a run that
was killed goes on where it stopped, and another threshold costs no inference at all.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from prep import events
from prep.duplicates.hash_store import hash_contents
from prep.edits import Journal, Outcome
from prep.errors import UnreadableError
from prep.index import ImageRow, Index
from prep.ops.tag_captions import Compiler
from prep.project import Project, Section
from prep.tagging import models
from prep.tagging.models import TaggerFiles
from prep.tagging.scores import Order, ScoreStore, Seen, Thresholds, tags_over
from prep.tagging.tagger import Tagger, score_files

_STORE_EVERY = 32
"""Images whose scores a killed run may lose."""
_CHUNK = 256
"""Images whose scores are in memory at once: 6 MB for 10,861 tags."""


class TagOptions(Section):
    """Which tagger, from which scores on, and what becomes of the captions."""

    where: str = ""
    """Only images that match this filter; all images when empty."""
    model: str = ""
    """A folder with model.onnx and selected_tags.csv, a name on the Hugging Face hub, or `demo`;
    that of shikomi.toml when empty."""
    general: float | None = Field(None, ge=0.0, le=1.0)
    """Take a general tag from this score on; as in shikomi.toml when absent."""
    character: float | None = Field(None, ge=0.0, le=1.0)
    """Take a character tag from this score on; as in shikomi.toml when absent."""
    mcut: bool = False
    """Instead of both thresholds, cut each image's scores at their widest gap."""
    order: Order = "score"
    """Order of new tags: best score first, or as in the tagger's table."""
    write: Literal["merge", "missing", "overwrite", "append", "prepend", "none"] = "merge"
    """merge: replace the tagger's tags, keep what was decided by hand; missing: only where there
    is no caption; overwrite: forget what was decided by hand; append, prepend: only add; none:
    write no captions."""
    batch: int = Field(0, ge=0, le=1024)
    """Images per run of the model; 0: what suits the device."""
    threads: int = Field(0, ge=0, le=1024)
    """Threads that decode images and run the model on the CPU; 0: one per core."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs."""
    dry_run: bool = False
    """Only show how captions would change."""


def run(project: Project, options: TagOptions) -> Iterator[events.Event]:
    """Tag the usable images of the index.

    Yields:
        Progress; Tags for each image; Skipped for what cannot be read or has changed meanwhile;
        Warned for an idle GPU and for shared caption files; Change for each caption; Finished
        with ``images`` (with tags), ``model``, ``provider`` (empty when all scores were known)
        and ``provider_reason``, ``images_per_second`` (of inference), ``changed``, ``edit`` (0
        for a dry run) and ``conflicts``.

    Raises:
        ConfigError: The filter has a fault.
        UserError: No such tagger, or it is broken.
    """
    with Index(project) as index:
        model = options.model or project.settings.tagger.model
        yield events.Progress("tagger", 0, 1, model)
        tagging = _Tagging(project, options, index, models.find(model, project.root))
        yield events.Progress("tagger", 1, 1)
        yield from tagging.find_images()
        yield from tagging.infer()
        yield from tagging.write_captions()


class _Tagging:
    """One run: hash the images, score those that have no scores, compile their captions."""

    def __init__(
        self, project: Project, options: TagOptions, index: Index, files: TaggerFiles
    ) -> None:
        section = project.settings.tagger
        self._project, self._options, self._index = project, options, index
        self._journal = Journal(index)
        self._files = files
        self._table = models.read_table(files.table)
        self._store = ScoreStore(index, files.key(), self._table)
        self._rows: list[ImageRow] = []
        self._contents: dict[str, str] = {}
        self._thresholds = Thresholds(
            section.general if options.general is None else options.general,
            section.character if options.character is None else options.character,
            options.mcut,
        )
        self._title = f"tag with {files.name} ({self._thresholds}): {options.write}"
        self._summary: dict[str, Any] = {
            "images": 0,
            "model": files.name,
            "provider": "",
            "provider_reason": "all scores were known",
            "images_per_second": 0.0,
        }

    def find_images(self) -> Iterator[events.Event]:
        """Choose the images and hash their bytes; scores belong to contents."""
        where = self._options.where
        chosen = [row for row in self._index.select(where) if row.usable]
        yield from hash_contents(self._index, chosen)
        self._rows = [row for row in self._index.select(where) if row.usable and row.content]
        self._contents = {row.path: row.content or "" for row in self._rows}

    def infer(self) -> Iterator[events.Event]:
        """Run the tagger on the contents that have no scores, each once."""
        known = self._store.known()
        todo: dict[str, str] = {}
        for path, content in self._contents.items():
            if content not in known:
                todo.setdefault(content, path)
        if not todo:
            return
        yield events.Progress("tag", 0, len(todo), f"loading {self._files.name}")
        tagger = Tagger(self._files, self._options.device, self._options.threads)
        self._summary["provider"] = tagger.provider
        self._summary["provider_reason"] = tagger.choice.reason
        if tagger.choice.gpu_idle:
            yield events.Warned(
                f"The tagger runs on the CPU: {tagger.choice.reason}.",
                "For CUDA's libraries: pip install 'onnxruntime-gpu[cuda,cudnn]'",
            )
        yield from self._score(tagger, todo)

    def _score(self, tagger: Tagger, todo: dict[str, str]) -> Iterator[events.Event]:
        """Score the contents and store the scores; ``todo`` is content -> path."""
        start = time.perf_counter()
        throttle = events.Throttle()
        scored = score_files(
            tagger,
            (self._project.root / path for path in todo.values()),
            batch=self._options.batch,
            threads=self._options.threads,
        )
        waiting: list[tuple[str, NDArray[np.float32]]] = []
        try:
            for done, (content, (file, scores)) in enumerate(zip(todo, scored, strict=True), 1):
                if isinstance(scores, UnreadableError):
                    reason = scores.message.removeprefix(f"{file.name}: ")
                    for path in [p for p, c in self._contents.items() if c == content]:
                        yield self._unusable(path, reason)
                else:
                    waiting.append((content, scores))
                if len(waiting) >= _STORE_EVERY:
                    self._store.put(waiting)
                    waiting.clear()
                yield from events.tick("tag", len(todo), throttle, done, tagger.provider)
        finally:
            self._store.put(waiting)
            scored.close()
        seconds = time.perf_counter() - start
        self._summary["images_per_second"] = round(len(todo) / seconds, 2)

    def _unusable(self, path: str, reason: str) -> events.Skipped:
        self._index.put_error(path, reason)
        self._contents.pop(path, None)
        return events.Skipped(path, reason)

    def write_captions(self) -> Iterator[events.Event]:
        """Show the tags over the thresholds and write them as captions."""
        outcome = Outcome(0, self._title)
        rows = [row for row in self._rows if row.path in self._contents]
        mode = self._options.write
        compiler = None if mode == "none" else Compiler(self._project, self._index, mode)
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            for row, seen in zip(part, self._seen(part), strict=True):
                yield events.Tags(row.path, seen.rating, seen.tags)
                if compiler is not None:
                    yield from compiler.add(row, seen)
        if compiler is not None:
            yield from compiler.warnings()
            if self._options.dry_run:
                outcome = Outcome(0, self._title, compiler.changes)
            else:
                outcome = compiler.apply(self._journal, self._title)
        self._summary["images"] = len(rows)
        yield from _report(outcome, self._summary)

    def _seen(self, rows: Sequence[ImageRow]) -> list[Seen]:
        matrix = self._store.load([self._contents[row.path] for row in rows])
        return tags_over(matrix, self._table, self._thresholds, self._options.order)


def _report(outcome: Outcome, summary: dict[str, Any]) -> Iterator[events.Event]:
    for change in outcome.changed:
        yield events.Change(change.path, change.before, change.after)
    for path, reason in outcome.conflicts:
        yield events.Skipped(path, reason)
    counts = {
        "changed": len(outcome.changed),
        "edit": outcome.edit,
        "conflicts": len(outcome.conflicts),
    }
    yield events.Finished(summary | counts)
