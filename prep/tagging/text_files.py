"""Tagger results as text files outside the captions: for other tools, and for comparison."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from prep import captions, events
from prep.captions.layers import ManualEdits, compile_caption
from prep.captions.rules import Rules
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import Change, content_change
from prep.dataset.journal.edits import Journal, Outcome
from prep.errors import ConfigError
from prep.project import Project
from prep.project.caption_rules import rules_for
from prep.system.names import shortened_name
from prep.tagging.scores.store import TaggerResult
from prep.tagging.scores.writing import Writing, places

_FIELDS = ("name", "extension", "hash")


class TextFileWriter:
    """Collects the text files of one run.

    Attributes:
        changes: What to write.
        title: The target, for display.
    """

    def __init__(self, project: Project, folder: str, name: str) -> None:
        """Check the target of the files.

        Args:
            project: The files must be inside it, so that they can be undone.
            folder: Relative to the project.
            name: Of each file, with the fields ``{name}``, ``{extension}`` and ``{hash}``.

        Raises:
            ConfigError: The folder is outside or among the images, or the name is not valid.
        """
        self.changes: list[Change] = []
        self.title = f"into {folder}"
        self._project, self._name = project, name
        self._folder = (project.root / folder).resolve()
        if not self._folder.is_relative_to(project.root) or self._folder == project.root:
            raise ConfigError(
                f"{folder} is not a folder inside {project.root}.",
                "Give a folder such as output/tags, and copy the files from there.",
            )
        if self._folder.is_relative_to(project.dataset) and project.dataset != project.root:
            raise ConfigError(
                f"{folder} is among the images, where such files would count as captions.",
                "To write captions, omit --out; otherwise give a folder such as output/tags.",
            )
        self._check_name()

    def _check_name(self) -> None:
        try:
            made = self._file_name("image", ".png", "0")
        except (KeyError, IndexError, ValueError) as error:
            raise ConfigError(
                f"The name {self._name!r} has an unknown field.",
                f"Known fields: {', '.join(f'{{{field}}}' for field in _FIELDS)}.",
            ) from error
        if not made or PurePosixPath(made).name != made or "\\" in made:
            raise ConfigError(f"{self._name!r} is not a file name.", "Use, for example: {name}.txt")

    def _file_name(self, name: str, extension: str, content: str) -> str:
        return self._name.format(name=name, extension=extension.lstrip("."), hash=content)

    def begin(self, index: Index, writing: Writing, *, weights: bool) -> "TextFileWriter":
        """Set how tags are written; call it before adding images."""
        self._places, self._writing, self._weights = places(self._project, index), writing, weights
        self._rules: dict[str, Rules] = {}
        self._owners: dict[Path, str] = {}
        return self

    def add(self, row: ImageRow, seen: TaggerResult) -> Iterator[events.Event]:
        """Add the file of one image.

        Yields:
            Skipped if another image has a file of that name.
        """
        path = PurePosixPath(row.path)
        name = shortened_name(self._file_name(path.stem, path.suffix, row.content or ""))
        file = self._folder / PurePosixPath(row.folder) / name
        owner = self._owners.setdefault(file, row.path)
        if owner != row.path:
            yield events.Skipped(row.path, f"{name} is already used for {owner}; see --out-name")
            return
        text = captions.SEPARATOR.join(self._tags(row.folder, seen))
        before = file.read_bytes() if file.is_file() else None
        after = text.encode() if text else None
        change = content_change(self._project.relative(file), before, after)
        if before != after:
            self.changes.append(change)

    def _tags(self, folder: str, seen: TaggerResult) -> list[str]:
        rules = self._rules.get(folder)
        if rules is None:
            rules = self._rules[folder] = rules_for(self._project, folder, self._places)
        tags = list(
            compile_caption(ManualEdits(), self._writing.tags(seen), rules, "overwrite").compiled
        )
        if not self._weights:
            return tags
        scores = {
            captions.key(tag): score
            for name, score in seen.tags
            for tag in self._writing.tags(TaggerResult("", [(name, score)]))
        }
        known = ((tag, scores.get(captions.key(tag))) for tag in tags)
        return [tag if score is None else f"({tag}:{score:.3g})" for tag, score in known]

    def warnings(self) -> Iterator[events.Warned]:
        """Yield nothing: files of the same name are reported as they occur."""
        yield from ()

    def apply(self, journal: Journal, title: str) -> Outcome:
        """Write the files as one edit."""
        return journal.apply(title, self.changes)
