from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import captions, events
from prep.captions.traits import GROUPS
from prep.curation.advice.fusion import TagFacts, fusion
from prep.curation.advice.tally import stored_tagger, tally
from prep.curation.advice.variety import variety
from prep.dataset import contents
from prep.dataset.index import Index
from prep.ops import advise, plan, scan
from prep.ops.advise import AdviseOptions
from prep.project import Concept, ConceptSection, Project
from prep.tagging.models.obtain import TaggerFiles, TagTable
from prep.tagging.scores import taggers
from prep.tagging.scores.store import ScoreStore
from tests.conftest import MakeImage

TABLE = TagTable(
    ("bear", "green_body", "hat", "beach", "smile", "solo", "mochi", "general"),
    (0, 0, 0, 0, 0, 0, 4, 9),
)


def concept(prune: tuple[str, ...] = ()) -> Concept:
    return Concept("10_mochi", "mochi", 10, ConceptSection(trigger="mochi", prune=prune))


def messages(found: list[events.Advice], topic: str) -> list[tuple[str, str]]:
    return [(advice.level, advice.message) for advice in found if advice.topic == topic]


def make(project: Project, make_image: MakeImage, texts: list[str]) -> None:
    for number, text in enumerate(texts):
        make_image(f"10_mochi/{number:02}.png", number, (512, 512), caption=text)
    list(scan.run(project))


def score(project: Project, seen: list[set[str]]) -> None:
    """Give each image, in path order, scores of 0.9 for what is seen and 0.01 for the rest."""
    with Index(project) as index:
        list(contents.hash_contents(index, index.usable()))
        rows = index.usable()
        matrix = [[0.9 if name in tags else 0.01 for name in TABLE.names] for tags in seen]
        items = zip(rows, matrix, strict=True)
        ScoreStore(index, "tagger", TABLE).put(
            (row.content or "", np.array(values, np.float32)) for row, values in items
        )


def run(project: Project, **options: object) -> list[events.Advice]:
    found = list(advise.run(project, AdviseOptions.model_validate(options)))
    assert isinstance(found[-1], events.Finished)
    return [event for event in found if isinstance(event, events.Advice)]


def test_traits_that_no_caption_has_fuse_with_the_trigger() -> None:
    facts = [
        TagFacts("bear", 20, 0, 20, 0),
        TagFacts("green body", 20, 2, 18, 2),
        TagFacts("solo", 20, 0, 20, 0),
        TagFacts("mochi", 20, 20, 20, 20),
        TagFacts("hat", 20, 5, 5, 5),
    ]
    ((level, message),) = messages(list(fusion(concept(), facts)), "fused tags")
    assert level == "warning"
    assert "bear (100%), green body (90%)" in message
    assert "solo" not in message
    (advice,) = list(fusion(concept(("bear", "green_body")), facts))
    assert (advice.level, advice.hint) == ("good", "")


def test_traits_that_are_captioned_stay_promptable_or_half_learnt() -> None:
    everywhere = TagFacts("bear", 20, 20, 20, 20)
    (advice,) = fusion(concept(), [everywhere])
    assert advice.level == "note"
    assert "--prune bear" in advice.hint
    (advice,) = fusion(concept(), [TagFacts("bear", 20, 9, 19, 9)])
    assert (advice.level, advice.topic) == ("warning", "fused tags")
    assert "seen in 19 of 20 images and captioned in 9" in advice.message
    # What a tagger does not know is judged by its captions.
    (advice,) = fusion(concept(), [TagFacts("star mark", 20, 18)])
    assert "star mark (90%)" in advice.message
    # Places and poses that never change are no part of a character.
    assert not list(fusion(concept(), [TagFacts("beach", 20, 20, 20, 20)]))


def test_captions_and_pixels_that_disagree() -> None:
    seen_only = TagFacts("hat", 20, 2, 10, 2)
    said_only = TagFacts("scarf", 20, 8, 1, 1, mistaken=6)
    rare = TagFacts("book", 20, 0, 2, 0)
    found = list(fusion(concept(), [seen_only, said_only, rare]))
    told = messages(found, "disagreement")
    assert [level for level, _ in told] == ["warning", "warning"]
    assert "scarf is captioned in 8 images, and the tagger finds no sign of it in 6" in told[0][1]
    assert "hat is seen in 10 images and missing in the captions of 8" in told[1][1]
    assert "-score:scarf>0.1" in found[0].hint
    assert "score:hat>0.35" in found[1].hint
    assert not list(fusion(concept(("hat",)), [seen_only]))


def test_scores_and_captions_are_counted_together(project: Project, make_image: MakeImage) -> None:
    texts = ["mochi, bear, hat"] * 6 + ["mochi, Green_Body"] * 4 + ["mochi, kitten"] * 2
    make(project, make_image, texts)
    score(
        project, [{"bear", "green_body", "solo"} | ({"hat"} if n < 3 else set()) for n in range(12)]
    )
    with Index(project) as index:
        rows = index.usable()
        tagger = stored_tagger(index, [row.content or "" for row in rows])
        assert tagger is not None
        found = tally(index, rows, tagger)
    facts = {captions.key(f.name): f for f in found.facts}
    assert facts["bear"] == TagFacts("bear", 12, 6, 12, 6, 0)
    assert facts["green body"] == TagFacts("Green_Body", 12, 4, 12, 4, 0)
    assert facts["hat"] == TagFacts("hat", 12, 6, 3, 3, 3)
    assert facts["kitten"] == TagFacts("kitten", 12, 2)
    assert "general" not in facts
    assert set(found.tags[11]) == {"mochi", "kitten", "bear", "green body", "solo"}


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(TABLE.names[:5])), st.sets(st.sampled_from("abc"))),
        min_size=1,
        max_size=6,
    )
)
def test_counts_without_a_tagger_are_those_of_the_captions(
    images: list[tuple[set[str], set[str]]],
) -> None:
    class Row:
        def __init__(self, tags: set[str]) -> None:
            self.tags = sorted(tags)

    rows = [Row(known | other) for known, other in images]
    found = tally(None, rows, None)  # type: ignore[arg-type]  # only captions are looked at
    for facts in found.facts:
        assert facts.captioned == sum(facts.name in row.tags for row in rows)
        assert facts.seen is None
    assert [len(tags) for tags in found.tags] == [len(row.tags) for row in rows]


def test_prose_counts_as_a_caption_of_the_words_in_it(
    project: Project, make_image: MakeImage
) -> None:
    make(project, make_image, ["mochi, A small bear with a big hat sits on the beach."] * 3)
    score(project, [{"bear", "hat", "smile"}] * 3)
    with Index(project) as index:
        rows = index.usable()
        found = tally(index, rows, stored_tagger(index, [row.content or "" for row in rows]))
    facts = {fact.name: fact for fact in found.facts}
    assert (facts["bear"].captioned, facts["hat"].captioned) == (3, 3)
    assert facts["smile"].captioned == 0


def test_the_tagger_that_knows_most_is_asked(project: Project, make_image: MakeImage) -> None:
    make(project, make_image, ["mochi", "momo"])
    score(project, [{"bear"}] * 2)
    with Index(project) as index:
        known = [row.content or "" for row in index.usable()]
        new = ScoreStore(index, "newer", TABLE)
        new.put([(known[0], np.zeros(len(TABLE), np.float32))])
        taggers.note(index, TaggerFiles("newer", Path(), Path()), "newer", "newer")
        best = stored_tagger(index, known)
        assert best is not None
        assert best.key == "tagger"
        new.put([(known[1], np.zeros(len(TABLE), np.float32))])
        taggers.note(index, TaggerFiles("older", Path(), Path()), "older", "tagger")
        best = stored_tagger(index, known)
        assert best is not None
        assert best.key == "newer"  # of as many the newest, whichever was used last
        assert stored_tagger(index, ["unknown"]) is None


def test_renamed_tags_are_one_tag(project: Project, make_image: MakeImage) -> None:
    make(project, make_image, ["mochi, ursine"] * 3)
    score(project, [{"bear"}] * 3)
    with Index(project) as index:
        rows = index.usable()
        tagger = stored_tagger(index, [row.content or "" for row in rows])
        found = tally(index, rows, tagger, renamed={"bear": "ursine"})
    assert [fact for fact in found.facts if fact.name == "ursine"] == [
        TagFacts("ursine", 3, 3, 3, 3, 0)
    ]


def test_variety_is_judged_where_tags_tell_of_it() -> None:
    same = [frozenset({"beach", "smile"})] * 8 + [frozenset({"forest"})] * 2
    found = {advice.topic: advice for advice in variety("f", "mochi", same)}
    assert list(found) == ["backgrounds", "expressions", "variety"]
    assert found["backgrounds"].level == "warning"
    assert "beach is in 80%" in found["backgrounds"].message
    assert found["variety"].level == "note"
    assert (
        "for the framings (0), the views (0), the poses (0): not judged" in found["variety"].message
    )
    assert [advice.topic for advice in variety("f", "x", [frozenset()] * 9)] == ["variety"]
    many = [frozenset({place}) for place in ("beach", "forest", "city", "room") for _ in range(3)]
    (backgrounds, *_) = variety("f", "mochi", many)
    assert backgrounds.level == "good"
    assert "4 backgrounds" in backgrounds.message
    few = [frozenset({place}) for place in ("beach", "forest") for _ in range(4)]
    (backgrounds, *_) = variety("f", "mochi", few)
    assert "hardly vary (beach 4, forest 4)" in backgrounds.message


def test_the_tags_of_the_groups_are_written_as_keys() -> None:
    for tags in GROUPS.values():
        assert [captions.key(tag) for tag in tags] == list(tags)


def test_advice_of_a_whole_project(project: Project, make_image: MakeImage) -> None:
    make(project, make_image, ["mochi, bear"] * 12 + ["mochi, bear, beach"] * 10)
    score(project, [{"bear", "green_body"}] * 22)
    changed = project.saved({"concepts": {"10_mochi": {"trigger": "mochi"}}})
    found = run(changed)
    assert [advice.level for advice in found] == sorted(
        (advice.level for advice in found), key=["warning", "note", "good"].index
    )
    fused = messages(found, "fused tags")
    assert any("green body" in text and "trigger word" in text for _, text in fused)
    assert any("beach is captioned in 10" in text for _, text in messages(found, "disagreement"))
    warnings = run(changed, level="warning")
    assert warnings == [advice for advice in found if advice.level == "warning"]
    assert len(run(changed, top=1)) == len({advice.topic for advice in run(changed, top=1)})
    with Index(changed) as index:
        list(contents.hash_contents(index, index.usable()))
    # The plan says the same basic things, from the same place.
    few = changed.saved({"project": {"resolution": 1024}})
    basic = {a.message for a in run(few) if a.topic == "resolution"}
    planned = {e.message for e in plan.run(few) if isinstance(e, events.Warned)}
    assert basic <= planned
    assert any("unusual for SD 1.5" in message for message in basic)
    assert any("22 of 22 images are smaller" in message for message in basic)


def test_copies_are_no_further_images(project: Project, make_image: MakeImage) -> None:
    for number in range(24):
        make_image(f"10_mochi/{number}.png", number % 6, (512, 512), caption="mochi")
    list(scan.run(project))
    found = messages(run(project), "images")
    assert found == [("warning", "mochi has 6 different images; a LoRA of so few copies them.")]


def test_without_scores_it_says_so(project: Project, make_image: MakeImage) -> None:
    make(project, make_image, ["mochi, bear"] * 3)
    told = messages(run(project), "disagreement")
    assert told == [
        (
            "note",
            "mochi: 0 of 3 images have tagger scores, so only captions are judged.",
        )
    ]
    changed = project.saved({"concepts": {"10_mochi": {"regularization": True}}})
    assert not [advice for advice in run(changed) if advice.folder]


@pytest.mark.parametrize(
    ("family", "resolution", "expected"),
    [("sd15", 512, False), ("sd15", 768, False), ("sdxl", 1024, False), ("sdxl", 512, True)],
)
def test_the_resolution_suits_the_family(
    project: Project, make_image: MakeImage, family: str, resolution: int, expected: bool
) -> None:
    make(project, make_image, ["mochi"])
    changed = project.saved({"project": {"family": family, "resolution": resolution}})
    told = messages(run(changed), "resolution")
    assert any("unusual" in message for _, message in told) == expected


def test_large_images_could_train_at_more_pixels(project: Project, make_image: MakeImage) -> None:
    for number in range(3):
        make_image(f"10_mochi/{number}.png", number, (800, 800), caption="mochi")
    list(scan.run(project))
    ((level, message),) = messages(run(project), "resolution")
    assert (level, message) == ("note", "3 of 3 images are large enough for 768 pixels.")
