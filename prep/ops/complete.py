"""Complete a partly typed tag, from the dataset and the vocabulary."""

from collections.abc import Iterator

from pydantic import Field

from prep import events
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


def completer(project: Project, index: Index, given: tuple[str, ...] = ()) -> Completer:
    """Return the tag completer of a project; keep it and query it at every keystroke.

    Raises:
        UserError: A tag list is missing or cannot be read.
    """
    return Completer(store.load(project, given), dict(index.tag_counts()))


def run(project: Project, text: str, options: CompleteOptions) -> Iterator[events.Event]:
    """Complete a tag.

    Yields:
        A Completion for each suggestion, best first; Finished with ``completions``.

    Raises:
        UserError: A tag list is missing or cannot be read.
    """
    with Index(project) as index:
        found = completer(project, index, options.vocabulary).complete(text, options.limit)
    for proposal in found:
        yield Completion(
            proposal.tag, proposal.images, proposal.count, proposal.kind, proposal.alias
        )
    yield events.Finished({"completions": len(found)})
