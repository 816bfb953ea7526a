"""Tag images and write layered captions, as one edit that can be undone.

Inference runs only for contents without scores (``prep.tagging.scoring``); thresholds, and the
writing of captions, are applied afterwards and need no inference.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from prep import events
from prep.dataset.contents import hash_contents
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.edits import Journal, Outcome
from prep.ops.score_options import (
    ScoreOptions,
    combined,
    ensemble_of,
    names_of,
    thresholds,
    warnings,
)
from prep.project import Project
from prep.tagging.captions import Compiler
from prep.tagging.runtime.preprocess import Decode
from prep.tagging.runtime.providers import Device
from prep.tagging.runtime.running import EngineKind, Running
from prep.tagging.scores.ensemble import EnsembleMember, seen
from prep.tagging.scores.store import TaggerResult, TagOrder
from prep.tagging.scores.writing import Writing
from prep.tagging.scoring import Scoring, TaggerResolver
from prep.tagging.text_files import TextFileWriter


class TagOptions(ScoreOptions):
    """Which taggers, from which scores on, and what becomes of the captions."""

    share: float = Field(0.0, ge=0.0, le=1.0)
    """Minimum fraction of the images that must have a tag; rarer tags are dropped."""
    order: TagOrder = "score"
    """Order of new tags: by score, the best first, or as in the table of the tagger."""
    write: Literal["merge", "missing", "overwrite", "append", "prepend", "none"] = "merge"
    """How to change captions: merge (replace the tags of the tagger, keep what was added or removed
    by hand), missing (only images without a caption), overwrite (also what was decided by hand),
    append, prepend (only add tags) or none (write no captions, only store scores)."""
    out: str = ""
    """Write tags to text files in this folder of the project instead of into captions."""
    out_name: str = "{name}.txt"
    """With --out: file name, with {name}, {extension} and {hash} of the image."""
    weights: bool = False
    """With --out: write scores as prompt weights, e.g. (smile:0.93)."""
    batch: int = Field(0, ge=0, le=1024)
    """Batch size; 0 for one that suits the device."""
    threads: int = Field(0, ge=0, le=1024)
    """Number of threads for decoding and for models on the CPU; 0 for one per core."""
    device: Device = "auto"
    """Device that runs the model."""
    decode: Decode = "reference"
    """How to decode images: reference (exactly as the authors of the tagger do) or fast (large
    images are reduced while decoding, which changes scores slightly)."""
    engine: EngineKind = "local"
    """Where to tag: local (this machine) or ray (the machines of a Ray cluster)."""
    ray_address: str = ""
    """With --engine ray: HOST:PORT of the head node, or auto for the cluster that this machine
    belongs to. Default: RAY_ADDRESS, else a local Ray instance for this run."""
    dry_run: bool = False
    """Only show how captions would change."""
    show: int = Field(10, ge=0)
    """Number of changes to print; 0 for all."""


def run(project: Project, options: TagOptions) -> Iterator[events.Event]:
    """Tag the usable images of the index.

    Yields:
        Progress; Downloading; Tags for each image; Skipped for unreadable or changed files;
        Warned for an idle GPU, for shared caption files and for thresholds of unknown tags; Change
        for each caption; Finished with ``images`` (with tags), ``model``, ``provider`` (empty when
        all scores were known) and ``provider_reason``, ``images_per_second`` (of inference),
        ``workers`` and ``nodes`` (processes and machines that it ran on), ``changed``, ``edit``
        (0 for a dry run) and ``conflicts``.

    Raises:
        ConfigError: The filter is not valid, or ``out`` is outside the project.
        UserError: There is no such tagger, or it is broken.
    """
    with Index(project) as index:
        elsewhere = TextFileWriter(project, options.out, options.out_name) if options.out else None
        obtained = TaggerResolver(project, index)
        for name in names_of(project, options):
            yield events.Progress("tagger", 0, 1, name)
            yield from obtained.add(name)
        yield events.Progress("tagger", 1, 1)
        tagging = _Tagging(project, options, index, obtained)
        yield from tagging.find_images()
        yield from tagging.infer()
        yield from warnings(tagging.ensemble)
        yield from tagging.write_captions(elsewhere)


class _Tagging:
    """One run: hash the images, score those that have no scores, compile their captions."""

    def __init__(
        self, project: Project, options: TagOptions, index: Index, obtained: TaggerResolver
    ) -> None:
        self._project, self._options, self._index = project, options, index
        self._obtained = obtained
        running = Running(
            options.device,
            options.batch,
            options.threads,
            options.decode,
            options.engine,
            options.ray_address,
        )
        self._scoring = Scoring(project, index, running)
        self._rows: list[ImageRow] = []
        members = [
            EnsembleMember(
                one.name, one.store, one.table, thresholds(project, options, one.recommended)
            )
            for one in obtained.ready
        ]
        self.ensemble = ensemble_of(members, combined(project, options))

    def find_images(self) -> Iterator[events.Event]:
        """Select the images and hash their bytes; scores are keyed by content."""
        where = self._options.where
        chosen = [row for row in self._index.select(where) if row.usable]
        yield from hash_contents(self._index, chosen)
        self._rows = [row for row in self._index.select(where) if row.usable and row.content]

    def infer(self) -> Iterator[events.Event]:
        """Run each tagger on the contents that it has not scored, each once."""
        contents = {row.path: row.content or "" for row in self._rows}
        for tagger in self._obtained.ready:
            yield from self._scoring.run(tagger, contents)
        self._rows = [row for row in self._rows if row.path not in self._scoring.unusable]

    def write_captions(self, elsewhere: TextFileWriter | None) -> Iterator[events.Event]:
        """Show the tags over the thresholds and write them as captions, or as separate files."""
        options, writing = self._options, Writing(self._project, self.ensemble.table)
        target: Compiler | TextFileWriter | None = None
        title = f"tag with {self.ensemble.title}: {elsewhere.title if elsewhere else options.write}"
        if elsewhere is not None:
            target = elsewhere.begin(self._index, writing, weights=options.weights)
        elif options.write != "none":
            target = Compiler(self._project, self._index, options.write, writing)
        for row, found in self._seen():
            yield events.Tags(row.path, found.rating, found.tags)
            if target is not None:
                yield from target.add(row, found)
        outcome = Outcome(0, title)
        if target is not None:
            yield from target.warnings()
            outcome = Outcome(0, title, target.changes)
            if not options.dry_run:
                outcome = target.apply(Journal(self._index), title)
        yield from _report(outcome, self._summary())

    def _seen(self) -> Iterator[tuple[ImageRow, TaggerResult]]:
        """Yield the tagger result of each image."""
        contents, options, start = [row.content or "" for row in self._rows], self._options, 0
        kept = self._common_enough(contents) if options.share else None
        for portion in self.ensemble.portions(contents):
            rows = self._rows[start : start + len(portion.contents)]
            start += len(rows)
            yield from zip(rows, seen(portion, options.top, options.order, kept), strict=True)

    def _common_enough(self, contents: list[str]) -> NDArray[np.bool_]:
        """Return which tags enough of the images have."""
        width = len(self.ensemble.table)
        counts = np.zeros(width, np.int64)
        for portion in self.ensemble.portions(contents):
            counts += np.bincount(portion.taken(self._options.top).columns, minlength=width)
        return counts >= self._options.share * len(contents)

    def _summary(self) -> dict[str, Any]:
        scoring = self._scoring
        rate = scoring.scored / scoring.seconds if scoring.seconds else 0.0
        return {
            "images": len(self._rows),
            "model": ", ".join(member.name for member in self.ensemble.members),
            "provider": scoring.provider,
            "provider_reason": scoring.reason,
            "images_per_second": round(rate, 2),
            "workers": scoring.workers,
            "nodes": scoring.nodes,
        }


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
