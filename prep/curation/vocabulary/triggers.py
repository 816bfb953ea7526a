"""Problems of trigger words: words that the model already knows, and misspellings.

A trigger word should mean nothing to the base model yet. One that is a known tag, or that CLIP
reads as a common English word, starts with a meaning that training must overcome.
"""

from collections.abc import Iterable, Iterator

from prep import captions
from prep.captions.tokens import ClipTokenizer
from prep.curation.vocabulary.findings import INFO, WARNING
from prep.curation.vocabulary.nearest import allowed, distance
from prep.curation.vocabulary.usage import Usage
from prep.curation.vocabulary.words import Vocabulary
from prep.events.words import Lint
from prep.project import Concept

_COMMON_WORD = 40_000
"""CLIP id below which a one-token word is common: ids are sorted by frequency."""
_COMMON_PIECE, _SYLLABLE = 10_000, 3
_LONG = 4
"""Number of tokens from which a trigger word uses much of the 75."""


def trigger_findings(
    concepts: Iterable[Concept], usage: Usage, words: Vocabulary, tokenizer: ClipTokenizer
) -> Iterator[Lint]:
    """Yield the problems of the trigger words of a project, once each."""
    for concept in concepts:
        for trigger in captions.split(concept.trigger):
            yield from _known(concept.folder, trigger, usage, words)
            yield from _common(concept.folder, trigger, usage, tokenizer)
            yield from _misspelt(concept.folder, trigger, usage, words)


def _known(folder: str, trigger: str, usage: Usage, words: Vocabulary) -> Iterator[Lint]:
    word = words.find(trigger)
    if word is not None:
        pictures = f" with {word.count:,} pictures" if word.count else ""
        also = f", an alias of {word.tag!r}" if word.alias else ""
        yield _finding(
            "trigger-known",
            folder,
            trigger,
            usage,
            f"a known {word.kind} tag{pictures}{also}: it already has a meaning for the model",
        )


def _common(folder: str, trigger: str, usage: Usage, tokenizer: ClipTokenizer) -> Iterator[Lint]:
    pieces = tokenizer.pieces(trigger)
    shown = " · ".join(piece for _, piece in pieces)
    if len(pieces) == 1 and pieces[0][0] < _COMMON_WORD:
        message = f"one CLIP token, number {pieces[0][0]:,} by frequency: a word with a meaning"
        yield _finding("trigger-common", folder, trigger, usage, message)
    elif pieces and all(_is_common_word(piece, tokenizer) for _, piece in pieces):
        message = f"CLIP reads it as {shown}: common words"
        yield _finding("trigger-common", folder, trigger, usage, message, INFO)
    if len(pieces) > _LONG:
        message = f"{len(pieces)} CLIP tokens of 75: {shown}"
        yield _finding("trigger-long", folder, trigger, usage, message, INFO)


def _is_common_word(piece: str, tokenizer: ClipTokenizer) -> bool:
    """Return whether a piece is a common word; pieces of up to two letters do not count."""
    ids = tokenizer.encode(piece)
    return len(piece) >= _SYLLABLE and len(ids) == 1 and ids[0] < _COMMON_PIECE


def _misspelt(folder: str, trigger: str, usage: Usage, words: Vocabulary) -> Iterator[Lint]:
    """Yield tags of the folder that are almost the trigger word."""
    wanted = captions.key(trigger)
    most = allowed(wanted)
    for key, images in usage.folders.get(folder, {}).items():
        squeezed = key.replace(" ", "") == wanted.replace(" ", "")
        near = most and 0 < distance(key, wanted, most) <= most
        if key == wanted or not (squeezed or near):
            continue
        word = words.find(key)
        tag = usage.usual(key)
        if word is not None and not word.alias:
            message = f"almost the trigger word {trigger!r}, but a known tag"
            yield Lint("trigger-spelling", INFO, tag, images, "", message, folder)
        else:
            message = f"almost the trigger word {trigger!r}"
            yield Lint("trigger-spelling", WARNING, tag, images, trigger, message, folder)


def _finding(
    code: str, folder: str, trigger: str, usage: Usage, message: str, severity: str = WARNING
) -> Lint:
    images = usage.folders[folder][captions.key(trigger)] if folder in usage.folders else 0
    return Lint(code, severity, trigger, images, "", message, folder)
