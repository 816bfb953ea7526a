"""Which tags fuse with the trigger word, and where captions and tagger disagree.

A LoRA learns what its images have in common but their captions do not mention, and attributes it
to the trigger word. So a tag found in nearly all images is either left out of all captions (it
becomes part of the concept) or written into all of them (it stays a separate word).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prep import captions
from prep.captions.traits import SHARE, is_circumstance, is_count_tag
from prep.events import Advice
from prep.language import quantity
from prep.project import Concept

_NEARLY_NONE = 0.15
"""Share of the images that show a tag up to which it counts as never captioned."""
_DISAGREES = 0.3
"""Share of the images concerned from which a disagreement is a pattern."""
_FEWEST = 3
"""Number of images below which it is not a pattern."""


@dataclass(frozen=True)
class TagFacts:
    """One tag in one concept.

    Attributes:
        name: Spelled as in captions or by the tagger.
        images: Number of images of the concept that were compared.
        captioned: Number of images whose caption has it.
        seen: Number of images in which the tagger finds it; ``None`` if no tagger knows it.
        both: Number of images in which it is both found and captioned.
        mistaken: Number of captioned images whose score is below half the threshold.
    """

    name: str
    images: int
    captioned: int
    seen: int | None = None
    both: int = 0
    mistaken: int = 0

    @property
    def missed(self) -> int:
        """Number of images in which it is found but not captioned."""
        return (self.seen or 0) - self.both


def fusion(concept: Concept, tags: Sequence[TagFacts]) -> Iterator[Advice]:
    """Yield remarks on the tags of one concept, most consequential first."""
    own = {captions.key(concept.trigger)}
    pruned = {captions.key(tag) for tag in concept.settings.prune}
    judged = [t for t in tags if not is_count_tag(t.name) and captions.key(t.name) not in own]
    traits = [t for t in judged if _present(t) >= SHARE * t.images]
    # Constant places and poses are not part of a character: ``variety`` covers them.
    traits = [t for t in traits if not is_circumstance(t.name)]
    yield from _half(concept, [t for t in traits if _share(t) not in ("none", "all")])
    yield from _absorbed(concept, [t for t in traits if _share(t) == "none"], pruned)
    yield from _kept(concept, [t for t in traits if _share(t) == "all"])
    yield from _mistaken(concept, judged)
    yield from _missed(concept, [t for t in judged if t not in traits], pruned)


def _present(tag: TagFacts) -> int:
    return tag.captioned if tag.seen is None else tag.seen


def _share(tag: TagFacts) -> str:
    """Return whether ``all``, ``none`` or ``some`` images with a tag are captioned with it."""
    if tag.captioned <= _NEARLY_NONE * tag.images:
        return "none"
    return "all" if tag.captioned >= SHARE * tag.images else "some"


def _half(concept: Concept, tags: Sequence[TagFacts]) -> Iterator[Advice]:
    for tag in tags:
        yield Advice(
            "warning",
            "fused tags",
            concept.folder,
            f"{concept.name}: {tag.name} is seen in {tag.seen} of {tag.images} images and"
            f" captioned in {tag.captioned}: half of it is learned with the trigger word.",
            f"Decide: part of the concept: {_prune(concept, [tag.name])} (then shikomi edit"
            f" --rules); a thing to prompt: {_add(concept, tag.name)}",
        )


def _absorbed(concept: Concept, tags: Sequence[TagFacts], pruned: set[str]) -> Iterator[Advice]:
    meant = [tag for tag in tags if captions.key(tag.name) in pruned]
    if meant:
        yield Advice(
            "good",
            "fused tags",
            concept.folder,
            f"{concept.name}: pruned on purpose, so part of the trigger word: {_listed(meant)}.",
        )
    rest = [tag for tag in tags if tag not in meant]
    if rest:
        yield Advice(
            "warning",
            "fused tags",
            concept.folder,
            f"{concept.name}: in nearly all images and rarely captioned, so part of the"
            f" trigger word: {_listed(rest)}.",
            f"If they belong, prune them: {_prune(concept, [t.name for t in rest])}; caption the"
            f" others: {_add(concept, rest[-1].name)}",
        )


def _kept(concept: Concept, tags: Sequence[TagFacts]) -> Iterator[Advice]:
    if tags:
        yield Advice(
            "note",
            "fused tags",
            concept.folder,
            f"{concept.name}: in nearly every image and caption: {_listed(tags)}. A prompt needs"
            " these words beside the trigger word to get the whole concept.",
            f"If they belong to it, prune them: {_prune(concept, [t.name for t in tags])}"
            " (then shikomi edit --rules); else collect images without them.",
        )


def _mistaken(concept: Concept, tags: Sequence[TagFacts]) -> Iterator[Advice]:
    found = [t for t in tags if t.mistaken >= max(_FEWEST, _DISAGREES * t.captioned)]
    for tag in sorted(found, key=lambda t: (-t.mistaken, t.name)):
        yield Advice(
            "warning",
            "disagreement",
            concept.folder,
            f"{concept.name}: {tag.name} is captioned in {quantity(tag.captioned, 'image')}, and"
            f" the tagger finds no sign of it in {tag.mistaken} of them.",
            f"Check them; if the tagger is right: shikomi edit --remove {_word(tag.name)}"
            f" --where 'in:{concept.folder} -score:{_booru(tag.name)}>0.1'",
        )


def _missed(concept: Concept, tags: Sequence[TagFacts], pruned: set[str]) -> Iterator[Advice]:
    found = [
        t
        for t in tags
        if t.missed >= max(_FEWEST, _DISAGREES * (t.seen or 0))
        and captions.key(t.name) not in pruned
    ]
    for tag in sorted(found, key=lambda t: (-t.missed, t.name)):
        yield Advice(
            "warning",
            "disagreement",
            concept.folder,
            f"{concept.name}: {tag.name} is seen in {quantity(tag.seen or 0, 'image')} and missing"
            f" in the captions of {tag.missed}: there it is learned with the trigger word.",
            _add(concept, tag.name),
        )


def _listed(tags: Sequence[TagFacts]) -> str:
    return ", ".join(f"{tag.name} ({_present(tag) / tag.images:.0%})" for tag in tags)


def _prune(concept: Concept, names: Sequence[str]) -> str:
    words = " ".join(f"--prune {_word(name)}" for name in names)
    return f"shikomi concept . {_word(concept.folder)} {words}"


def _add(concept: Concept, name: str) -> str:
    where = f"in:{concept.folder} score:{_booru(name)}>0.35"
    return f"shikomi edit --add {_word(name)} --where '{where}'"


def _word(text: str) -> str:
    return f"'{text}'" if " " in text else text


def _booru(name: str) -> str:
    return name.replace(" ", "_")
