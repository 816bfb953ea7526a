"""Does the LoRA do what it was trained for? The tagger that prepared the data reads the samples.

First measure: trigger recall, the share of the subject's own tags that the tagger finds in
samples drawn with the trigger word alone. It is given with the base model's value, and with the
range of doubt that so few samples leave.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from prep.errors import ConfigError
from prep.events import Event, Finished, Score

ScoreImages = Callable[[Sequence[Path]], Sequence[Mapping[str, float]]]
"""Tagger: files -> for each, the score (0 to 1) of every tag it knows."""


def wilson(found: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a share; ``z`` 1.96 means 95 %.

    Example:
        >>> [round(bound, 3) for bound in wilson(8, 10)]
        [0.49, 0.943]
    """
    if not total:
        return 0.0, 1.0
    share = found / total
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    centre, scale = share + z * z / (2 * total), 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def found_in(
    images: Sequence[Path], tags: Collection[str], tagger: ScoreImages, threshold: float
) -> tuple[int, int]:
    """Count how many of ``tags`` the tagger sees, over all images.

    Returns:
        Tags seen, and tags looked for: images x tags.
    """
    seen = 0
    for scores in tagger(images):
        seen += sum(scores.get(tag, 0.0) >= threshold for tag in tags)
    return seen, len(images) * len(tags)


def trigger_recall(
    with_lora: Sequence[Path],
    without: Sequence[Path],
    tags: Collection[str],
    tagger: ScoreImages,
    *,
    threshold: float = 0.35,
    epoch: int = 0,
    strength: float = 1.0,
) -> Score:
    """Measure the recall of the subject's own tags.

    The interval takes every tag of every image for one trial; tags of one image depend on each
    other, so the true range is somewhat wider.

    Args:
        with_lora: Samples drawn with the LoRA.
        without: Samples of the same prompts and seeds, drawn without it.
        tags: The subject's own tags, in the tagger's spelling.
        tagger: Gives the scores.
        threshold: A tag is seen from this score on.
        epoch: Of the LoRA, for the event.
        strength: Of the LoRA, for the event.

    Raises:
        ConfigError: No samples or no tags.
    """
    if not with_lora or not tags:
        raise ConfigError("There is nothing to judge.", "Give samples, and the subject's own tags.")
    seen, looked = found_in(with_lora, tags, tagger, threshold)
    seen_before, looked_before = found_in(without, tags, tagger, threshold)
    low, high = wilson(seen, looked)
    base = seen_before / looked_before if looked_before else 0.0
    return Score(epoch, strength, "trigger recall", seen / looked, base, low, high)


def judge(scores: Sequence[Score]) -> Iterator[Event]:
    """Pass scores on and name the best one.

    Yields:
        The scores; Finished with epoch, strength and findings.

    Raises:
        ConfigError: There are none.
    """
    if not scores:
        raise ConfigError("There is nothing to judge.", "Draw samples first.")
    yield from scores
    # Of equal values the lower strength and the earlier epoch: the least training that does it.
    best = max(scores, key=lambda score: (score.value, -score.strength, -score.epoch))
    yield Finished({"epoch": best.epoch, "strength": best.strength, "findings": [_finding(best)]})


def _finding(best: Score) -> str:
    change = f"{best.measure} {best.base:.0%} -> {best.value:.0%}"
    if best.low <= best.base:
        return f"{change}: no better than the base model, as far as these samples show."
    return f"{change} ({best.low:.0%} to {best.high:.0%})"
