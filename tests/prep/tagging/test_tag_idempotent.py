"""Tagging twice changes nothing, whatever the scores, captions and settings are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from prep import captions
from prep.captions.implications import Implications
from prep.captions.layers import ManualEdits, WriteMode
from prep.captions.rules import Rules
from prep.captions.spelling import spelled
from prep.errors import ConfigError
from prep.project import CaptionSection, Project, Settings
from prep.project.tagger import TaggerSection
from prep.tagging.captions import recompiled
from prep.tagging.models.tables import CHARACTER, GENERAL, RATING, TagTable
from prep.tagging.scores.thresholds import Thresholds
from prep.tagging.scores.writing import Writing
from tests.prep.caption_lines import texts
from tests.prep.tagging.in_memory import results

TABLE = TagTable(
    (
        *("safe", "explicit", "1girl", "long_hair", "hat", "straw_hat", "^_^", ";)", "\\m/"),
        *("dog", "mochi_(game)", "dog_(undertale)"),
    ),
    (RATING,) * 2 + (GENERAL,) * 8 + (CHARACTER,) * 2,
)
NAMES = ["1girl", "long hair", "Long_Hair", "hat", "straw hat", "^_^", ";)", r"mochi \(game\)"]
NAMES += ["mochi", "game", "dog", "safe", "my own words", "bear"]
NAME = st.sampled_from(NAMES)
SCORES = st.lists(st.floats(0, 1, width=16), min_size=len(TABLE), max_size=len(TABLE))
THRESHOLDS = st.builds(
    Thresholds,
    general=st.floats(0, 1),
    character=st.floats(0, 1),
    mcut=st.booleans(),
    tags=st.dictionaries(NAME, st.floats(0, 1), max_size=2),
    top=st.integers(0, 5),
)
PLACES = st.sampled_from(["", "first", "last"])
SECTION = st.builds(
    TaggerSection, ratings=PLACES, characters=PLACES, expand_characters=st.booleans()
)
CAPTIONS = st.builds(
    CaptionSection,
    words=st.sampled_from(["spaces", "underscores"]),
    brackets=st.sampled_from(["plain", "escaped"]),
)
PAIRS = st.lists(st.tuples(NAME, NAME), max_size=2)
RULES = st.builds(
    Rules,
    trigger=st.sampled_from(["", "mochi", "ohwx, bear"]),
    always_first=st.lists(NAME, max_size=2).map(tuple),
    drop=st.lists(NAME, max_size=2).map(tuple),
    only=st.sampled_from([(), (), tuple(NAMES[:9]), ("*hat*", "safe")]),
    replace=st.dictionaries(NAME, NAME, max_size=2),
    regex=st.sampled_from([{}, {"^hat$": "red hat"}, {"_": "-"}, {r"(?i)^long[ _](.*)": r"\1"}]),
    known=st.builds(Implications.build, PAIRS, PAIRS),
    expand=st.booleans(),
    order=st.sampled_from(["", "alphabetical", "people"]),
)
MODES: st.SearchStrategy[WriteMode] = st.sampled_from(["merge", "overwrite", "append", "prepend"])
PLAIN = st.lists(NAME, max_size=6).map(", ".join)


def made(
    rules: Rules, section: TaggerSection, writing: CaptionSection, project: Any
) -> tuple[Rules, Writing]:
    made_settings = Settings(tagger=section, captions=writing)
    writer = Writing(Project(project, made_settings), TABLE)
    known = rules.known.respelled(lambda tag: spelled(tag, writing.words, writing.brackets))
    values: Mapping[str, Any] = {**rules.__dict__, "known": known, "places": writer.places()}
    fields = {name: values[name] for name in Rules.__dataclass_fields__}
    return Rules(**fields), writer


@settings(max_examples=200)
@given(
    SCORES, THRESHOLDS, SECTION, CAPTIONS, RULES, MODES, st.none() | PLAIN | texts,
    st.dictionaries(NAME, st.booleans(), max_size=2),
)  # fmt: skip
def test_running_twice_changes_nothing(
    scores: list[float], thresholds: Thresholds, section: TaggerSection, writing: CaptionSection,
    rules: Rules, mode: WriteMode, text: str | None, answers: dict[str, bool],
) -> None:  # fmt: skip
    rules, writer = made(rules, section, writing, __file__)
    (seen,) = results(np.array([scores]), TABLE, thresholds)
    machine = writer.tags(seen)
    if mode == "overwrite":  # answers are forgotten
        answers = {}
    try:
        first, _, hand = recompiled(text, None, machine, rules, mode, answers)
        second, _, again = recompiled(first, hand, machine, rules, mode, answers)
    except ConfigError:
        assume(False)
    assert second == first
    third, _, last = recompiled(second, again, machine, rules, mode, answers)
    assert (third, last) == (first, again)
    if first is not None:
        assert first.strip()
        keys = captions.keys(captions.split(first))
        assert len(keys) == len(set(keys)) or text


@given(SCORES, THRESHOLDS, SECTION, CAPTIONS, RULES, PLAIN)
def test_a_cache_and_all_decisions_lost_change_nothing_either(
    scores: list[float], thresholds: Thresholds, section: TaggerSection, writing: CaptionSection,
    rules: Rules, text: str,
) -> None:  # fmt: skip
    rules, writer = made(rules, section, writing, __file__)
    # A dropped tag still removes the tags that it implies. It is known as a manual edit only, so
    # without these the implied tags come back.
    bare = replace(rules, trigger="")
    assume(not rules.known.direct or all(bare.apply([tag]) for tag in captions.split(text)))
    # A pattern that tells spaces from underscores makes two tags of what is one to everything else.
    assume("_" not in rules.regex or writing.words == "spaces")
    (seen,) = results(np.array([scores]), TABLE, thresholds)
    try:
        first, _, _ = recompiled(text, None, writer.tags(seen), rules, "merge")
        second, _, hand = recompiled(first, None, writer.tags(seen), rules, "merge")
    except ConfigError:
        assume(False)
    assert second == first
    assert isinstance(hand, ManualEdits)
