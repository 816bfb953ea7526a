"""Advice on tags in nearly all images of a concept: what deleting or keeping them means.

A tag that nearly all captions of a concept have is learned together with the trigger word. Deleted
from the captions, it is absorbed by the trigger word: it appears without being prompted, which is
right for what defines the character. Kept, it stays a separate tag that can be prompted or left
out, which is right for everything that varies, provided that some images lack it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from prep import captions
from prep.captions.traits import is_count_tag

TraitKind = Literal["body", "outfit", "expression", "pose", "scene", "picture", "other"]

# fmt: off
_WORDS: dict[TraitKind, frozenset[str]] = {
    "expression": frozenset({
        "smile", "smiling", "grin", "frown", "blush", "crying", "tears", "laughing", "angry",
        "happy", "sad", "surprised", "expressionless", "expression", "wink", "open mouth",
        "closed mouth", "closed eyes", "half-closed eyes", "one eye closed", "tongue out", "pout",
        "sleepy", "scared", "embarrassed",
    }),
    "pose": frozenset({
        "standing", "sitting", "lying", "walking", "running", "jumping", "kneeling", "squatting",
        "looking at viewer", "looking back", "looking away", "arms up", "arm up", "waving",
        "holding", "hand up", "hands up", "peace sign", "v", "from side", "from behind",
        "from above", "from below", "sleeping", "dancing",
    }),
    "scene": frozenset({
        "background", "indoors", "outdoors", "sky", "beach", "forest", "city", "night", "day",
        "sunset", "snow", "rain", "room", "street", "cloud", "tree", "grass", "water", "ocean",
        "scenery", "sea", "field", "park", "kitchen", "bedroom", "space",
    }),
    "picture": frozenset({
        "upper body", "full body", "cowboy shot", "portrait", "close-up", "monochrome",
        "greyscale", "sketch", "chibi", "signature", "watermark", "artist name", "text", "border",
        "highres", "absurdres", "masterpiece", "best quality", "simple background", "comic",
    }),
    "outfit": frozenset({
        "hat", "cap", "dress", "shirt", "skirt", "pants", "shorts", "jacket", "coat", "shoes",
        "boots", "socks", "gloves", "scarf", "tie", "necktie", "bow", "ribbon", "uniform",
        "glasses", "eyewear", "earrings", "necklace", "jewelry", "hairband", "hairclip", "hairpin",
        "hair ornament", "hair ribbon", "hair bow", "thighhighs", "pantyhose", "armor", "cape",
        "sweater", "hoodie", "kimono", "swimsuit", "bikini", "apron", "belt", "bag", "backpack",
        "crown", "mask", "helmet", "sleeves", "clothes", "suit", "vest", "collar", "choker",
        "headwear", "footwear", "headphones", "sunglasses", "bowtie", "goggles",
    }),
    "body": frozenset({
        "hair", "eyes", "eye", "ears", "ear", "tail", "skin", "horns", "horn", "wings", "wing",
        "fur", "bangs", "ponytail", "twintails", "braid", "ahoge", "bun", "freckles", "mole",
        "scar", "fang", "fangs", "teeth", "beard", "mustache", "breasts", "muscular", "tall",
        "fat", "old", "child", "elf", "whiskers", "snout", "beak", "halo", "heterochromia",
        "sidelocks", "eyebrows", "eyelashes", "lips", "nose", "paws", "claws", "feathers",
    }),
}
# fmt: on


def kind_of(tag: str) -> TraitKind:
    """Return what a tag describes, by its last word; ``other`` if that says nothing.

    Example:
        >>> kind_of("long hair"), kind_of("red_dress"), kind_of("closed eyes"), kind_of("bear")
        ('body', 'outfit', 'expression', 'other')
    """
    key = captions.key(tag)
    for wanted in (key, key.rpartition(" ")[2], key.partition(" ")[0]):
        for kind, words in _WORDS.items():
            if wanted in words:
                return kind
    return "other"


@dataclass(frozen=True)
class CommonTag:
    """A tag in nearly all images of a concept.

    Attributes:
        tag: Spelled as in captions.
        kind: What it describes.
        captions: Share of the captions with it, 0 to 1.
        seen: Share of the images in which the tagger found it; ``None`` if it does not know it.
        suggested: Deleting it is the usual choice.
        advice: What deleting and keeping it mean.
    """

    tag: str
    kind: TraitKind
    captions: float
    seen: float | None
    suggested: bool
    advice: str


def traits(
    tag_lists: Sequence[Sequence[str]],
    seen: dict[str, float],
    name: str,
    *,
    share: float,
    leave_out: Iterable[str] = (),
) -> list[CommonTag]:
    """Return the tags in nearly all images of a concept, most frequent first.

    Args:
        tag_lists: Tags of each caption.
        seen: Share of the images in which the tagger found each tag that it knows.
        name: Name of the concept in messages: its trigger word.
        share: Minimum share of captions or images, 0 to 1.
        leave_out: Tags that are not traits: the trigger word, and pruned tags.
    """
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    for tags in tag_lists:
        for tag in captions.unique(tags):
            counts[captions.key(tag)] += 1
            names.setdefault(captions.key(tag), tag)
    shares = {key: count / max(1, len(tag_lists)) for key, count in counts.items()}
    by_key = {captions.key(tag): value for tag, value in seen.items()}
    for tag, value in seen.items():
        if value >= share:
            names.setdefault(captions.key(tag), tag)
    out = set(captions.keys(leave_out))
    found = []
    for key, tag in names.items():
        written, visible = shares.get(key, 0.0), by_key.get(key)
        if key not in out and not is_count_tag(tag) and max(written, visible or 0.0) >= share:
            found.append(_trait(tag, written, visible, name, share))
    return sorted(found, key=lambda t: (-t.captions, -(t.seen or 0.0), t.tag))


def _trait(tag: str, written: float, visible: float | None, name: str, share: float) -> CommonTag:
    kind = kind_of(tag)
    if written == 0.0:
        advice = f"in no caption: {name} already absorbs it, so it appears without being prompted"
        return CommonTag(tag, kind, written, visible, False, advice)
    if visible is not None and visible < share / 2:
        advice = "in captions, but the tagger rarely finds it: check whether it is there at all"
        return CommonTag(tag, kind, written, visible, False, advice)
    return CommonTag(tag, kind, written, visible, kind in ("body", "other"), _advice(kind, name))


def _advice(kind: TraitKind, name: str) -> str:
    if kind in ("body", "other"):
        return (
            f"delete: {name} absorbs it, so it appears without being prompted; "
            f"keep it only if {name} should also be possible without it"
        )
    if kind == "outfit":
        return f"your choice: delete it if {name} always wears it; keep it to allow other clothes"
    if kind == "picture":
        return "keep: it describes the picture; if deleted, it becomes part of the character"
    return (
        f"keep it promptable, and add images without it: in nearly all images, it becomes"
        f" part of {name} in any case"
    )
