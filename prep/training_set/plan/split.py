"""Which images are held out of training, and the exposures of the others.

The trainer and the plan share these rules, so
that the two cannot disagree.
"""

from collections.abc import Iterable, Sequence

from prep.system.files import text_hash


def held_out(contents: Iterable[str], fraction: float, seed: int) -> frozenset[str]:
    """Choose the pictures that are held out of training, by their content only.

    Adding an image never moves another one between the sides because of its position, and copies of
    a picture stay on the same side.

    Args:
        contents: A string per picture, from ``prep.system.files.content_hash``; copies count once.
            Regularisation images are never held out: do not pass them.
        fraction: Share to hold out, 0 to 1; above 0 at least one picture is held out, and below 1
            at least one is not.
        seed: Changes the choice.

    Example:
        >>> len(held_out(map(str, range(20)), 0.1, seed=42))
        2
    """
    if not fraction:
        return frozenset()
    drawn = sorted(set(contents), key=lambda content: text_hash(f"{seed} {content}"))
    wanted = max(1, round(len(drawn) * fraction))
    return frozenset(drawn[: wanted if fraction == 1 else min(wanted, len(drawn) - 1)])


def exposures(repeats: Sequence[int], regular: Sequence[bool]) -> list[int]:
    """Return the exposures of each image per epoch.

    Regularisation images are repeated, or cut, until they are shown as often as all the others
    together (sd-scripts ``DreamBoothDataset``): first as often as their repeats say, in order,
    then once more each, round after round. Without others, their own repeats count.

    Args:
        repeats: Configured repeats of each image.
        regular: Whether each is a regularisation image; as long as ``repeats``.

    Example:
        >>> exposures([5, 5, 1, 1, 1], [False, False, True, True, True])
        [5, 5, 4, 3, 3]
    """
    counts = [0 if held else times for times, held in zip(repeats, regular, strict=True)]
    wanted = sum(counts)
    places = [place for place, held in enumerate(regular) if held]
    if not places or not wanted:
        return list(repeats)
    given = 0
    while given < wanted:
        for place in places:
            more = 1 if counts[place] else repeats[place]
            counts[place] += more
            given += more
            if given >= wanted:
                break
    return counts
