"""Simulate how captions reach the text encoder over epochs: shuffled, dropped, cut.

Captions are varied by the functions of the trainer (``prep.captions.shuffle``), which
follow sd-scripts. A run draws other random numbers, so that shares are valid, not single
epochs.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import Field

from prep import captions, events
from prep.captions.shuffle import CaptionRules, first_line, read_part, tags_of, varied_tags
from prep.captions.tokens import LIMITS, ClipTokenizer, clip_tokenizer
from prep.dataset.index import ImageRow, Index
from prep.events.words import Encoded, TagPlace
from prep.language import english
from prep.ops.plan import step_settings
from prep.ops.tokens import Limit, train_limit
from prep.project import Project, Section

T = TypeVar("T")

_SEED = 42
_MOST = 200_000
"""Maximum of simulated exposures: shares do not change much with more."""


class ShuffleOptions(Section):
    """How the trainer varies captions; what is not given is taken from [train]."""

    where: str = ""
    """Only images that match this filter."""
    epochs: int = Field(10, ge=1, le=10_000)
    """Number of epochs to simulate."""
    shuffle: bool | None = None
    """Shuffle tags. Default: shuffle_caption of [train], else on."""
    keep: int | None = Field(None, ge=0)
    """Number of leading tags that stay in place. Default: keep_tokens of [train], else the trigger
    word of the concept."""
    separator: str = ""
    """Instead of --keep: text such as ||| before which tags stay in place."""
    dropout: float | None = Field(None, ge=0.0, le=1.0)
    """Fraction of exposures without caption. Default: caption_dropout of [train], else 0."""
    tag_dropout: float | None = Field(None, ge=0.0, le=1.0)
    """Fraction of tags dropped, except kept ones. Default: tag_dropout of [train], else 0."""
    wildcards: bool = False
    """Use a random line of each caption, and a random choice of each {a|b}."""
    limit: Limit | None = None
    """Number of tokens that the trainer reads: 75, 150 or 225. Default: max_token_length of
    [train], else 75."""
    seed: int | None = Field(None, ge=0)
    """Random seed. Default: seed of [train], else 42."""
    samples: int = Field(3, ge=0)
    """Number of captions to show as the text encoder receives them."""


@dataclass(frozen=True)
class _Plan:
    """One image: its caption rules, exposures per epoch, and the keys of its tags."""

    path: str
    text: str
    rules: CaptionRules
    turns: int
    tags: tuple[str, ...]


@dataclass
class _Tally:
    """Counts of what happened to tags, by key."""

    shown: Counter[str] = field(default_factory=Counter)
    owned: Counter[str] = field(default_factory=Counter)
    past: dict[int, Counter[str]] = field(
        default_factory=lambda: {limit: Counter() for limit in LIMITS}
    )
    names: dict[str, str] = field(default_factory=dict)

    def add(self, tags: Sequence[str], tokenizer: ClipTokenizer) -> int:
        """Count one exposure; return its number of tokens."""
        seen: dict[str, int] = {}
        position = 0
        for place, tag in enumerate(tags):
            # The comma belongs to the tag before it: both are read as one word, as in ":),".
            text = tag if place + 1 == len(tags) else f"{tag},"
            position += tokenizer.count(text)
            end = position - (text != tag)
            seen.setdefault(captions.key(tag), end)
            self.names.setdefault(captions.key(tag), tag)
        self.shown.update(seen.keys())
        for limit, counter in self.past.items():
            counter.update(key for key, end in seen.items() if end > limit)
        return position


def run(project: Project, options: ShuffleOptions) -> Iterator[events.Event]:
    """Simulate epochs.

    Yields:
        Warned about unexpected behaviour; an Encoded for each sample; a TagPlace for each tag
        that ever falls past a limit or is a trigger word, the worst first; Finished with
        ``captions``, ``epochs``, ``exposures``, ``empty``, ``longest``, ``limit``, ``tags_past``
        (tags that ever fall past each limit) and ``trigger_past`` (shares of the exposures of
        trigger words, 0 to 1).

    Raises:
        ConfigError: The filter is not valid.
    """
    limit = options.limit or train_limit(project)
    with Index(project) as index:
        rows = [row for row in index.select(options.where) if row.usable and row.caption]
    simulation = _Simulation(project, options, limit)
    yield from _surprises(project, rows, options)
    yield from simulation.run(rows)
    yield from simulation.report()


class _Simulation:
    """Epochs of one dataset."""

    def __init__(self, project: Project, options: ShuffleOptions, limit: int) -> None:
        self._project, self._options, self._limit = project, options, limit
        self._mix = tuple(step_settings(project).caption_mix.items())
        self._tokenizer = clip_tokenizer()
        self._tally = _Tally()
        self._captions = self._exposures = self._empty = self._longest = self._epochs = 0

    def run(self, rows: Sequence[ImageRow]) -> Iterator[events.Event]:
        """Simulate; yield Progress and the samples."""
        plans = [self._plan(row) for row in rows]
        each = sum(plan.turns for plan in plans)
        self._captions = len(plans)
        self._epochs = min(self._options.epochs, max(1, _MOST // max(1, each)))
        share = min(1.0, _MOST / max(1, each))
        seed = _chosen(self._options.seed, self._project.settings.train.get("seed"), _SEED)
        throttle = events.Throttle()
        samples = self._longest_of(plans)
        for epoch in range(self._epochs):
            for plan in plans:
                for turn in range(math.ceil(share * plan.turns)):
                    tags = varied_tags(plan.text, plan.rules, seed, epoch, plan.path, turn)
                    count = self._expose(tags, plan)
                    if plan.path in samples and tags:
                        samples.remove(plan.path)
                        yield self._sample(plan.path, epoch, ", ".join(tags), count)
            yield from events.tick("simulating", self._epochs, throttle, epoch + 1)

    def _longest_of(self, plans: Sequence[_Plan]) -> set[str]:
        """Return the images with the longest captions, which are the most interesting."""
        longest = sorted(plans, key=lambda plan: -self._tokenizer.count(plan.text))
        return {plan.path for plan in longest[: self._options.samples]}

    def _plan(self, row: ImageRow) -> _Plan:
        options, train = self._options, self._project.settings.train
        concept = self._project.concept(row.folder)
        trigger = len(captions.split(concept.trigger))
        rules = CaptionRules(
            shuffle=_chosen(options.shuffle, train.get("shuffle_caption"), True),
            keep_tokens=_chosen(options.keep, train.get("keep_tokens"), trigger),
            keep_separator=options.separator,
            dropout=_chosen(options.dropout, train.get("caption_dropout"), 0.0),
            tag_dropout=_chosen(options.tag_dropout, train.get("tag_dropout"), 0.0),
            wildcards=options.wildcards,
            mix=self._mix,
        )
        text = read_part(row.caption or "", rules)
        if options.wildcards:  # the tags themselves are drawn
            return _Plan(row.path, text, rules, concept.repeats, ())
        tags = captions.keys(tags_of(first_line(text), rules))
        return _Plan(row.path, text, rules, concept.repeats, tuple(dict.fromkeys(tags)))

    def _expose(self, tags: Sequence[str], plan: _Plan) -> int:
        self._exposures += 1
        self._empty += not tags
        count = self._tally.add(tags, self._tokenizer)
        self._tally.owned.update(plan.tags)
        self._longest = max(self._longest, count)
        return count

    def _sample(self, path: str, epoch: int, text: str, count: int) -> Encoded:
        (at,) = self._tokenizer.places(text, (self._limit,))
        kept, lost = (text, "") if at is None else (text[:at], text[at:])
        return Encoded(path, epoch + 1, count, kept, lost)

    def report(self) -> Iterator[events.Event]:
        """Yield the results per tag, and the summary."""
        tally = self._tally
        concepts = map(self._project.concept, self._project.settings.concepts)
        triggers = {key for c in concepts for key in captions.keys(captions.split(c.trigger))}
        worst = sorted(
            tally.shown,
            key=lambda key: (key not in triggers, -tally.past[self._limit][key], key),
        )
        for key in worst:
            past = {str(limit): counter[key] for limit, counter in tally.past.items()}
            if key in triggers or any(past.values()):
                shown = tally.shown[key]
                dropped = max(0, tally.owned[key] - shown)
                name = tally.names[key]
                yield TagPlace(name, key in triggers, shown, dropped, past)
        met = sum(tally.shown[key] for key in triggers)
        lost = {
            str(limit): round(sum(counter[key] for key in triggers) / max(1, met), 4)
            for limit, counter in tally.past.items()
        }
        yield events.Finished(
            {
                "captions": self._captions,
                "epochs": self._epochs,
                "exposures": self._exposures,
                "empty": self._empty,
                "longest": self._longest,
                "limit": self._limit,
                "tags_past": {str(at): len(+counter) for at, counter in tally.past.items()},
                "trigger_past": lost,
            }
        )


def _surprises(
    project: Project, rows: Sequence[ImageRow], options: ShuffleOptions
) -> Iterator[events.Event]:
    """Yield warnings about marks in captions that these options do not read as marks."""
    texts = [row.caption or "" for row in rows]
    marked = sum("|||" in text for text in texts)
    if marked and not options.separator:
        yield events.Warned(
            english(
                "{count} caption contains |||, which is read as text.",
                "{count} captions contain |||, which is read as text.",
                marked,
            ),
            "Give --separator '|||' (keep_tokens_separator of sd-scripts).",
        )
    shuffled = _chosen(options.shuffle, project.settings.train.get("shuffle_caption"), True)
    if marked and options.separator and not shuffled and not options.tag_dropout:
        yield events.Warned(
            f"Without shuffling, sd-scripts passes {options.separator} on as plain text.",
            "shikomi's trainer removes it.",
        )
    choices = sum("{" in text and "|" in text for text in texts)
    if choices and not options.wildcards:
        yield events.Warned(
            english(
                "{count} caption contains choices such as {choice}, which are read as text.",
                "{count} captions contain choices such as {choice}, which are read as text.",
                choices,
                choice="{a|b}",
            ),
            "Give --wildcards (enable_wildcard of sd-scripts).",
        )
    lines = sum(
        len(text.split("\n", 1)) > 1 and bool(text.split("\n", 1)[1].strip()) for text in texts
    )
    if lines and not options.wildcards and not step_settings(project).caption_mix:
        yield events.Warned(
            english(
                "{count} caption has more lines, which are not read.",
                "{count} captions have more lines, which are not read.",
                lines,
            ),
            "Give --wildcards to read a random line in each epoch.",
        )


def _chosen(*values: T | None) -> T:
    """Return the first value that is given."""
    return next(value for value in values if value is not None)
