"""Decisions made by hand survive whatever the tagger and the rules do."""

from hypothesis import given
from hypothesis import strategies as st

from prep import captions
from prep.captions.implications import Implications
from prep.captions.layers import ManualEdits, WriteMode, compile_caption, infer_manual_edits
from prep.captions.rules import Rules
from prep.dataset.index import Index
from prep.dataset.journal.changes import caption_change
from prep.dataset.journal.edits import Journal
from prep.dataset.journal.manual_edits import ManualEditStore
from prep.project import Project

NAMES = ["bear", "hat", "long hair", "Long_Hair", "smile", "^_^", "poster (object)", "mochi"]
tag_lists = st.lists(st.sampled_from(NAMES), max_size=6).map(captions.unique)
pairs = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=2)
rule_sets = st.builds(
    Rules,
    trigger=st.sampled_from(["", "mochi", "trigger"]),
    always_first=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    drop=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    replace=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(NAMES), max_size=2),
    regex=st.sampled_from([{}, {"^bear$": "brown bear"}, {"(?i)^long[ _](.*)": r"\1"}]),
    known=st.builds(Implications.build, pairs, pairs),
    expand=st.booleans(),
    order=st.sampled_from(["", "alphabetical", "people"]),
)
modes: st.SearchStrategy[WriteMode] = st.sampled_from(["merge", "append", "prepend"])


def keys(tags: object) -> set[str]:
    assert isinstance(tags, list | tuple)
    return {captions.key(tag) for tag in tags}


def test_machine_tags_are_replaced_and_hand_tags_kept() -> None:
    rules = Rules(trigger="mochi", drop=("bear",))
    first = compile_caption(
        infer_manual_edits(None, ["a red bow"], rules), ["bear", "hat", "smile"], rules
    )
    assert first.compiled == ("mochi", "a red bow", "hat", "smile")
    edited = ["mochi", "a red bow", "smile", "night"]  # the hat was removed, the night added
    now = infer_manual_edits(first, edited, rules)
    assert (now.added, now.removed) == (("a red bow", "night"), ("hat",))
    second = compile_caption(now, ["hat", "crown"], rules)
    assert second.compiled == ("mochi", "a red bow", "night", "crown")


def test_modes_differ_in_what_they_take_away() -> None:
    hand = ManualEdits(compiled=("old", "mine"), added=("mine",), removed=("no",))
    machine = ["no", "new"]
    results = {
        mode: compile_caption(hand, machine, Rules(), mode).compiled
        for mode in ("merge", "append", "prepend", "overwrite")
    }
    assert results == {
        "merge": ("mine", "new"),
        "append": ("old", "mine", "new"),
        "prepend": ("new", "old", "mine"),
        "overwrite": ("no", "new"),
    }
    assert compile_caption(hand, machine, Rules(), "overwrite").added == ()


def test_the_work_of_rules_is_no_decision() -> None:
    before = ManualEdits(compiled=("mochi", "bear", "hat"))
    rules = Rules(trigger="momo", drop=("bear",), replace={"hat": "cap"})
    # What `edit --rules` makes of it:
    now = infer_manual_edits(before, ["momo", "mochi", "cap"], rules)
    assert (now.added, now.removed) == ((), ())
    assert compile_caption(now, ["bear", "hat"], rules).compiled == ("momo", "cap")


def test_a_renamed_tag_removed_by_hand_stays_away() -> None:
    rules = Rules(replace={"hat": "cap"})
    first = compile_caption(ManualEdits(), ["hat", "smile"], rules)
    now = infer_manual_edits(first, ["smile"], rules)
    assert now.removed == ("cap",)
    assert compile_caption(now, ["hat", "smile"], rules).compiled == ("smile",)


def test_order_and_spelling_made_by_hand_stay() -> None:
    first = compile_caption(ManualEdits(), ["long hair", "hat", "smile"], Rules())
    now = infer_manual_edits(first, ["smile", "Long_Hair", "hat"], Rules())
    assert compile_caption(now, ["hat", "long hair", "smile"], Rules()).compiled == (
        "smile",
        "Long_Hair",
        "hat",
    )


@given(tag_lists, tag_lists, rule_sets, modes)
def test_twice_is_once(
    present: list[str], machine: list[str], rules: Rules, mode: WriteMode
) -> None:
    first = compile_caption(infer_manual_edits(None, present, rules), machine, rules, mode)
    again = compile_caption(infer_manual_edits(first, first.compiled, rules), machine, rules, mode)
    assert again == first


@given(tag_lists, st.lists(tag_lists, min_size=1, max_size=3), tag_lists, rule_sets)
def test_decisions_survive_any_retagging(
    before: list[str], machines: list[list[str]], edited: list[str], rules: Rules
) -> None:
    first = compile_caption(infer_manual_edits(None, before, rules), machines[0], rules)
    hand = infer_manual_edits(first, edited, rules)
    added = keys(captions.remove(edited, first.compiled))
    removed = keys(captions.remove(first.compiled, [*edited, rules.trigger]))
    ruled = keys(list(rules.replace)) | keys(list(rules.drop)) | set(rules.known.aliases)
    ruled |= {name for tag in NAMES for name in rules.known.implied_keys(tag)}
    ruled |= {captions.key(tag) for tag in NAMES if captions.key(tag) in ("bear", "long hair")}
    for machine in machines:
        hand = compile_caption(hand, machine, rules)
        assert added - ruled <= keys(hand.compiled)
        assert not removed & keys(hand.compiled)
        hand = infer_manual_edits(hand, hand.compiled, rules)


@given(tag_lists, tag_lists, rule_sets)
def test_without_any_memory_nothing_is_lost(
    present: list[str], machine: list[str], rules: Rules
) -> None:
    new = compile_caption(infer_manual_edits(None, present, rules), machine, rules)
    implied = {name for tag in NAMES for name in rules.known.implied_keys(tag)}
    assert keys(rules.apply(present)) - implied <= keys(new.compiled)


PATH = "dataset/10_mochi/a.png"


def test_a_text_that_undo_brought_back_has_its_decisions(project: Project) -> None:
    with Index(project) as index:
        store, journal = ManualEditStore(index), Journal(index)
        untouched, tagged = ManualEdits(), ManualEdits(("bear", "hat"))
        outcome = journal.apply("tag", [caption_change(PATH, None, tagged.compiled)])
        store.put([(PATH, "bear, hat", tagged), (PATH, None, untouched)])
        assert outcome.edit == 1
        assert store.behind(PATH, "bear, hat") == tagged
        assert store.behind(PATH, "bear") == tagged  # edited since: compared with what we wrote
        journal.undo()
        assert store.behind(PATH, None) == untouched
        assert store.behind(PATH, "mine") == untouched  # written since the undo
        journal.redo()
        assert store.behind(PATH, "bear, cap") == tagged


def test_a_caption_file_that_vanished_teaches_nothing(project: Project) -> None:
    with Index(project) as index:
        store = ManualEditStore(index)
        assert store.behind(PATH, None) is None
        store.put([(PATH, "bear, mine", ManualEdits(("bear", "mine"), ("mine",), ("hat",)))])
        found = store.behind(PATH, None)
        assert found == ManualEdits((), ("mine",), ("hat",))
        assert infer_manual_edits(found, [], Rules()) == found


def test_forgotten_texts_are_not_compared_with(project: Project) -> None:
    with Index(project) as index:
        store = ManualEditStore(index)
        old = ManualEdits(("old",))
        store.put([(PATH, "new", ManualEdits(("new",))), (PATH, "old", old)])
        store.forget([(PATH, "new")])
        assert store.behind(PATH, "new") == old
