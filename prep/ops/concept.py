"""Set the trigger word, repeats and kind of a concept, as an edit that can be undone."""

from collections.abc import Iterator

from pydantic import Field, field_validator

from prep import captions, events
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.dataset.journal.settings_change import settings_change
from prep.errors import RetryError, UserError
from prep.project import Project, Section
from prep.section import TagText
from prep.system.names import existing


class ConceptOptions(Section):
    """What to set; what is absent stays."""

    trigger: TagText | None = None
    """Trigger word, the first tag of every caption; applied by shikomi edit --rules."""
    repeats: int | None = Field(None, ge=1)
    """How many times each image is shown per epoch."""
    prune: tuple[str, ...] | None = None
    """Tag that describes the concept itself, to keep out of captions; repeatable."""
    regularization: bool | None = None
    """Regularisation images: they show the class of the concept (1girl), so that the model does
    not forget it, and have no trigger word."""

    @field_validator("trigger")
    @classmethod
    def _one_word(cls, trigger: str | None) -> str | None:
        if trigger and (count := len(captions.split(trigger))) > 1:
            raise ValueError(
                f"{trigger!r} is {count} tags: give one word without a comma, and write the other"
                " tags into the captions"
            )
        return trigger


def run(project: Project, folder: str, options: ConceptOptions) -> Iterator[events.Event]:
    """Change the table of a concept in shikomi.toml, or only show it.

    Yields:
        Finished with ``folder``, the settings of the concept, and ``edit`` (0 for no change).

    Raises:
        UserError: There is no such folder, or the file is not writable.
        ConfigError: A value is not valid.
    """
    place = existing(project.dataset / folder)
    if not place.is_dir():
        raise UserError(f"There is no folder {folder} in {project.dataset}.")
    folder = folder if folder == "." else place.name
    wanted = options.model_dump(exclude_none=True)
    edit = 0
    if wanted:
        change, project = settings_change(project, {"concepts": {folder: wanted}})
        with Index(project) as index:
            words = ", ".join(f"{name} {_shown(value)}" for name, value in wanted.items())
            outcome = Journal(index).apply(f"set {folder}: {words}", [change])
        edit = outcome.edit
        for path, reason in outcome.conflicts:
            raise RetryError(f"{path} was not changed: {reason}.", "Run the same command again.")
    settings = project.settings.concept(folder)
    yield events.Finished({"folder": folder, **settings.model_dump(), "edit": edit})


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
