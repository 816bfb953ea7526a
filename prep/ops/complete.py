"""Complete a partly typed tag, from the dataset and the vocabulary."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from prep import events
from prep.captions.translations import Translations, read_translations
from prep.curation.vocabulary import store
from prep.curation.vocabulary.complete import Completer
from prep.dataset.index import Index
from prep.events.words import Completion
from prep.project import Project, Section


class CompleteOptions(Section):
    """Where to look, and how many to show."""

    limit: int = Field(20, ge=1, le=1000)
    """Maximum number of proposals."""
    vocabulary: tuple[str, ...] = ()
    """Tag list to use instead of those in shikomi.toml; repeatable."""
    translations: Path | None = None
    """CSV of translations (tag,translation), whose words find tags, too."""


def completer(
    project: Project,
    index: Index,
    given: tuple[str, ...] = (),
    translations: Translations | None = None,
) -> Completer:
    """Return the tag completer of a project; keep it and query it at every keystroke.

    Raises:
        UserError: A tag list is missing or cannot be read.
    """
    return Completer(store.load(project, given), dict(index.tag_counts()), translations)


def run(project: Project, text: str, options: CompleteOptions) -> Iterator[events.Event]:
    """Complete a tag.

    Yields:
        A Completion for each suggestion, best first; Finished with ``completions``.

    Raises:
        UserError: A tag list, or the file of translations, is missing or cannot be read.
    """
    known = None if options.translations is None else read_translations(options.translations)
    with Index(project) as index:
        found = completer(project, index, options.vocabulary, known).complete(text, options.limit)
    for one in found:
        yield Completion(one.tag, one.images, one.count, one.kind, one.alias, one.translation)
    yield events.Finished({"completions": len(found)})
