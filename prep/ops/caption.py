"""Describe images in sentences, and add the descriptions to their captions, as one edit.

A vision model on a server answers; each answer is stored at once, so that an interrupted
run continues where it stopped. Descriptions written by hand stay.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from prep import captions, events
from prep.captioner import placing, prompts
from prep.captioner.asking import Asker, CaptionRequest, Description
from prep.captioner.files import Descriptions
from prep.captioner.keys import key_for
from prep.captioner.permission import require_permission
from prep.captioner.placing import DescriptionMode
from prep.captioner.server import Server
from prep.captioner.store import DescriptionStore, question_key
from prep.captions.sentences import is_sentence
from prep.dataset.contents import hash_contents
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.edits import Journal, Outcome
from prep.errors import ConfigError, UnreadableError
from prep.language import english
from prep.project import Project, Section
from prep.project.captioner import (
    CaptionerSection,
    Concurrency,
    DescriptionPlace,
    Retries,
    Seconds,
    Side,
    Temperature,
    Tokens,
)
from prep.texts import read_text


class CaptionOptions(Section):
    """Which images are described, and how; what is absent is as in shikomi.toml."""

    where: str = ""
    """Only images that match this filter."""
    url: str | None = None
    """Base URL of the server, e.g. http://127.0.0.1:8080/v1."""
    model: str | None = None
    """Name of the model on that server; required if it offers several."""
    prompt: str | None = None
    """Prompt for the model; {tags}, {trigger}, {concept} and {name} are replaced."""
    prompt_file: Path | None = None
    """Text file with the prompt."""
    place: DescriptionPlace | None = None
    """Where to write descriptions: line (second line of the caption file), joined (behind the
    tags) or file (a .caption file)."""
    write: DescriptionMode = "merge"
    """What to overwrite: merge (descriptions by a model, not those written by hand), missing
    (nothing: only images without a description), overwrite (all of them) or none (write nothing,
    only show and store the descriptions)."""
    limit: int = Field(0, ge=0)
    """Describe only this many images, to try a prompt; 0 for all."""
    side: Side | None = None
    """Maximum length of the longer side of the images that are sent, in pixels."""
    max_tokens: Tokens | None = None
    """Maximum length of an answer, in tokens; cut after its last complete sentence."""
    temperature: Temperature | None = None
    """Sampling temperature: 0 for the most likely words, higher for more variety."""
    concurrency: Concurrency | None = None
    """Number of parallel requests."""
    timeout: Seconds | None = None
    """Seconds without a response after which a request fails."""
    retries: Retries | None = None
    """Number of retries of a request after a temporary failure."""
    again: bool = False
    """Ask again, also where the answer to the same prompt is stored."""
    dry_run: bool = False
    """Describe and show how captions would change, but write none."""
    show: int = Field(10, ge=0)
    """Number of descriptions to print; 0 for all."""


_SET = (
    *("url", "model", "prompt", "place", "side", "max_tokens", "temperature"),
    *("concurrency", "timeout", "retries"),
)


def run(project: Project, options: CaptionOptions) -> Iterator[events.Event]:
    """Describe the usable images of the index.

    Yields:
        Progress; Described for each image; Skipped if there was no answer, or a caption cannot
        be read or has changed in the meantime; Warned; Change for each caption; Finished with
        ``images``, ``described`` (new answers), ``known`` (stored answers),
        ``failed``, ``cut``, ``by_hand`` (not changed), ``model``, ``seconds``, ``changed``,
        ``edit`` (0 for a dry run) and ``conflicts``.

    Raises:
        ConfigError: The filter, address or prompt is not valid, or the server is not allowed.
        RetryError: The server cannot be reached or fails; finished answers are kept.
        UserError: The server refuses the request.
    """
    section = _section(project, options)
    prompts.check(section.prompt)
    server = Server(section.url, key_for(section.url), section.timeout)
    require_permission(server, named_by_user=options.url is not None)
    with Index(project) as index:
        work = _Captioning(project, options, section, index)
        yield from work.find_images()
        yield from work.describe(server)
        yield from work.finish(Journal(index))


def _section(project: Project, options: CaptionOptions) -> CaptionerSection:
    given = {name: getattr(options, name) for name in _SET if getattr(options, name) is not None}
    if options.prompt_file is not None:
        try:
            given["prompt"] = read_text(options.prompt_file)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{options.prompt_file} is not readable as a prompt.", "Give a UTF-8 text file."
            ) from error
    merged = project.settings.captioner.model_dump() | given
    return CaptionerSection.model_validate(merged)


class _Captioning:
    """One run: hash the images, request missing answers, place the answers."""

    def __init__(
        self, project: Project, options: CaptionOptions, section: CaptionerSection, index: Index
    ) -> None:
        self._project, self._options, self._section = project, options, section
        self._index, self._store = index, DescriptionStore(index)
        self._files = Descriptions(project, section.place, options.write)
        self._rows: dict[str, ImageRow] = {}
        self._known = self._described = self._cut = 0
        self._model, self._started = section.model, time.perf_counter()
        self._failed: set[str] = set()

    def find_images(self) -> Iterator[events.Event]:
        """Select the images; answers are keyed by content."""
        chosen = [row for row in self._index.select(self._options.where) if row.usable]
        chosen = chosen[: self._options.limit or None]
        yield from hash_contents(self._index, chosen)
        found = self._index.select(self._options.where)
        wanted = {row.path for row in chosen}
        self._rows = {row.path: row for row in found if row.path in wanted and row.content}

    def describe(self, server: Server) -> Iterator[events.Event]:
        """Request answers, and place them."""
        todo: dict[str, ImageRow] = {}
        asker: Asker | None = None
        for row in self._rows.values():
            if self._options.write == "missing" and self._files.has_one(row, self._written(row)):
                continue
            todo[row.path] = row
        if todo and not self._model:
            asker = Asker(server, self._section)
            self._model = asker.model
        questions = []
        for row in todo.values():
            question = self._question(row)
            found = None if self._options.again else self._answer(row, question)
            if found is None:
                questions.append(question)
            else:
                self._known += 1
                yield from self._place(row, found)
        if questions:
            yield from self._ask(asker or Asker(server, self._section), questions)

    def _ask(self, asker: Asker, questions: list[CaptionRequest]) -> Iterator[events.Event]:
        yield events.Progress("describe", 0, len(questions), asker.model)
        for done, (question, found) in enumerate(asker.ask(questions), 1):
            row = self._rows[question.path]
            if isinstance(found, UnreadableError):
                self._failed.add(row.path)
                yield events.Skipped(row.path, found.message.partition(": ")[2])
            else:
                self._described += 1
                self._cut += found.cut
                self._store.put(row.content or "", self._asked(question), found.text)
                yield from self._place(row, found)
            yield events.Progress("describe", done, len(questions), asker.model)

    def _question(self, row: ImageRow) -> CaptionRequest:
        concept = self._project.concept(row.folder)
        values = {
            "tags": captions.SEPARATOR.join(self._tags(row)),
            "trigger": concept.trigger,
            "concept": concept.name,
            "name": Path(row.path).stem,
        }
        prompt = prompts.fill(self._section.prompt, values)
        return CaptionRequest(row.path, self._project.root / row.path, prompt)

    def _tags(self, row: ImageRow) -> list[str]:
        """Return the tags of a caption without descriptions, which must not cause new requests."""
        text = row.caption or ""
        for description in self._written(row):
            text = text.replace(description, "")
        return [tag for tag in captions.split(text) if not is_sentence(tag)]

    def _asked(self, question: CaptionRequest) -> str:
        section = self._section
        how = (section.system, section.side, section.max_tokens, section.temperature)
        return question_key(self._model, question.prompt, *how)

    def _answer(self, row: ImageRow, question: CaptionRequest) -> Description | None:
        text = self._store.get(row.content or "", self._asked(question))
        return None if text is None else Description(text)

    def _written(self, row: ImageRow) -> list[str]:
        """Return all texts that a model's description of this image may have."""
        trigger = self._project.concept(row.folder).trigger
        found = self._store.of(row.content or "")
        both = [*found, *(placing.with_trigger(text, trigger) for text in found)]
        return sorted(set(both), key=len, reverse=True)

    def _place(self, row: ImageRow, found: Description) -> Iterator[events.Event]:
        text, trigger = found.text, self._project.concept(row.folder).trigger
        if self._section.trigger_first and self._section.place != "joined":
            text = placing.with_trigger(text, trigger)
        yield events.Described(row.path, text, found.cut)
        yield from self._files.add(row, text, self._written(row))

    def finish(self, journal: Journal) -> Iterator[events.Event]:
        """Write the captions, and report the result."""
        yield from self._files.warnings()
        if self._cut:
            yield events.Warned(
                english(
                    "{count} answer was too long and was cut after the last complete sentence.",
                    "{count} answers were too long and were cut after the last complete sentence.",
                    self._cut,
                ),
                f"Allow more: --max-tokens {2 * self._section.max_tokens}",
            )
        title = f"describe with {self._model}: {self._section.place}"
        outcome = Outcome(0, title, self._files.changes)
        if not self._options.dry_run:
            outcome = journal.apply(title, self._files.changes)
        for change in outcome.changed:
            yield events.Change(change.path, change.before, change.after, change.what)
        for path, reason in outcome.conflicts:
            yield events.Skipped(path, reason)
        yield events.Finished(
            {
                "images": len(self._rows),
                "described": self._described,
                "known": self._known,
                "failed": len(self._failed),
                "cut": self._cut,
                "by_hand": self._files.by_hand,
                "model": self._model,
                "seconds": round(time.perf_counter() - self._started, 1),
                "changed": len(outcome.changed),
                "edit": outcome.edit,
                "conflicts": len(outcome.conflicts),
            }
        )
