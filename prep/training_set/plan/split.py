"""Which images are held out of training, and how often each of the others is seen.

The trainer draws its validation set by these rules, and the plan counts with them: one place, so
that the two cannot disagree.
"""

from collections.abc import Iterable, Sequence

from prep.system.files import text_hash


def held_out(contents: Iterable[str], fraction: float, seed: int) -> frozenset[str]:
    """Choose the pictures that are held out of training, by their content alone.

    Adding an image never moves another one across the line by its place in a list, and copies of
    one picture stay on one side.

    Args:
        contents: A text for each picture, as ``prep.system.files.content_hash``; copies count once.
            Regularisation images are never held out: leave them away.
        fraction: Share to hold out, 0 to 0.5; above 0 at least one picture is held out, unless
            there is no second one.
        seed: Changes the choice.

    Example:
        >>> len(held_out(map(str, range(20)), 0.1, seed=42))
        2
    """
    pictures = set(contents)
    if not fraction or len(pictures) < 2:
        return frozenset()
    drawn = sorted(pictures, key=lambda content: text_hash(f"{seed} {content}"))
    return frozenset(drawn[: max(1, round(len(drawn) * fraction))])


def exposures(repeats: Sequence[int], regular: Sequence[bool]) -> list[int]:
    """Return how often each image is seen per epoch.

    Regularisation images are repeated, or cut, until they are seen as often as all the others
    together (sd-scripts ``DreamBoothDataset``): first as often as their repeats say, in order,
    then once more each, round after round. Without any others they count as they are.

    Args:
        repeats: As set for each image.
        regular: Is it a regularisation image? As long as ``repeats``.

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
