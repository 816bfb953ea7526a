"""Count captions in CLIP tokens, and show the text beyond 75, 150 and 225."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator

from prep import events
from prep.captions.shuffle import first_line
from prep.captions.tokens import LIMITS, clip_tokenizer
from prep.dataset.index import ImageRow, Index
from prep.dataset.values.token_counts import ensure_counts
from prep.events.words import TokenCount
from prep.project import Project, Section


def _one_of_the_limits(value: int) -> int:
    if value not in LIMITS:
        raise ValueError("must be 75, 150 or 225")
    return value


Limit = Annotated[int, AfterValidator(_one_of_the_limits)]
"""A limit: the tokens of one, two or three windows of a text encoder."""

_PAGE = 1000


class TokensOptions(Section):
    """Which captions to count, and what to cut them at."""

    where: str = ""
    """Only images that match this filter."""
    limit: Limit | None = None
    """Number of tokens that the trainer reads: 75, 150 or 225. Default: max_token_length of
    [train], else 75."""
    sort: Literal["most", "fewest", "path"] = "most"
    """Order: captions with the most or the fewest tokens first, or by path."""
    over: bool = False
    """Only captions that exceed the limit."""


def run(project: Project, options: TokensOptions) -> Iterator[events.Event]:
    """Count captions.

    Yields:
        A TokenCount for each caption; Finished with ``captions``, ``longest``, ``mean``,
        ``limit`` and, by limit, how many are ``over`` it.

    Raises:
        ConfigError: The filter is not valid.
    """
    limit = options.limit or train_limit(project)
    with Index(project) as index:
        ensure_counts(index.connection)
        ids = index.ids(options.where)
        counts: list[tuple[int, int]] = []
        throttle = events.Throttle()
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            counts += [(_count(row), row.id) for row in index.rows(page) if _read(row)]
            yield from events.tick("counting", len(ids), throttle, start + len(page))
        if options.sort != "path":
            counts.sort(key=lambda item: item[0], reverse=options.sort == "most")
        shown = [number for count, number in counts if count > limit or not options.over]
        for start in range(0, len(shown), _PAGE):
            for row in index.rows(shown[start : start + _PAGE]):
                yield counted(row.path, row.caption or "", limit)
    numbers = [count for count, _ in counts]
    yield events.Finished(
        {
            "captions": len(numbers),
            "longest": max(numbers, default=0),
            "mean": round(sum(numbers) / max(1, len(numbers)), 1),
            "limit": limit,
            "over": {str(at): sum(count > at for count in numbers) for at in LIMITS},
        }
    )


def train_limit(project: Project) -> int:
    """Return how many tokens of a caption this project's training reads."""
    value = project.settings.train.get("max_token_length")
    return value if value in LIMITS else LIMITS[0]


def counted(path: str, caption: str, limit: int) -> TokenCount:
    """Return the count of a caption and where it is cut."""
    text = first_line(caption)
    tokenizer = clip_tokenizer()
    places = dict(zip(LIMITS, tokenizer.places(text), strict=True))
    cuts = {str(at): place for at, place in places.items() if place is not None}
    lost = text[cuts[str(limit)] :] if str(limit) in cuts else ""
    return TokenCount(path, tokenizer.count(text), limit, text, cuts, lost)


def _read(row: ImageRow) -> bool:
    return row.usable and row.caption is not None


def _count(row: ImageRow) -> int:
    return clip_tokenizer().count(first_line(row.caption or ""))
