"""Whatever a caption holds, mending it once is enough, and loses no letter."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prep.curation.checks import captions, catalogue
from prep.curation.checks.captions import CheckedCaption, fixed
from prep.curation.checks.view import CheckedFolder, DatasetView
from prep.dataset.index import Index
from prep.ops import scan
from prep.project import Project
from tests.prep.check_cases import Box, C

ALL = frozenset(catalogue.CODES)
SHARED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Letters of which no trigger word can be made, so that none is replaced.
LETTERS = "abdefgjkABD éは猫"
# fmt: off
PIECES = st.sampled_from((
    ", ", ",", "  ", "\n", "\r\n", "\ufeff", "\u200b", "\u00a0", "，", "{", "}", "|", "|||",
    "mochi", "\x00", "\t", ".", "mocih", "mochi_", "(", "\\", "{{", ";;;", "\u2028", "\x85",
))
# fmt: on
TEXTS = st.lists(PIECES | st.text(LETTERS, max_size=8), max_size=12).map("".join)


@pytest.fixture
def view(project: Project) -> DatasetView:
    box = Box(project)
    project = Project.open(box.root)
    list(scan.run(project))
    with Index(project) as index:
        return DatasetView(index, "sd-scripts")


def place_of(view: DatasetView) -> CheckedFolder:
    (place,) = (place for place in view.places if place.label == C)
    return place


def fixable(view: DatasetView, data: str | bytes) -> list[str]:
    found = captions._problems(view, place_of(view), "a.txt", data)
    return [problem.code for problem in found if problem.fixable]


@given(text=TEXTS, wildcards=st.booleans())
@SHARED
def test_mending_once_is_enough(view: DatasetView, text: str, wildcards: bool) -> None:
    view.draws_lines = view.expands = wildcards
    after = fixed(view, place_of(view), text.encode(), ALL)
    assert after is not None
    assert fixed(view, place_of(view), after, ALL) == after
    assert fixable(view, after.decode()) == []
    assert (after == text.encode()) == (fixable(view, text) == [])


@given(data=st.binary(max_size=60))
@SHARED
def test_any_bytes_are_mended_once_or_left_alone(view: DatasetView, data: bytes) -> None:
    after = fixed(view, place_of(view), data, ALL)
    assert after is not None
    assert fixed(view, place_of(view), after, ALL) == after
    assert fixable(view, captions._as_text(after)) == []


@given(text=TEXTS.filter(lambda text: "moc" not in text))
@SHARED
def test_no_letter_is_lost(view: DatasetView, text: str) -> None:
    after = fixed(view, place_of(view), text.encode(), ALL)
    assert after is not None
    letters = [character for character in text if character.isalnum()]
    left = iter(after.decode())
    assert all(letter in left for letter in letters)


@given(text=TEXTS)
@SHARED
def test_the_quick_look_passes_over_nothing(view: DatasetView, text: str) -> None:
    if captions._is_plain(text):
        caption = CheckedCaption(text, view, place_of(view))
        steps = dict(captions.STEPS)
        triggers = dict(captions.TRIGGER_STEPS)
        said = {code for code, step in steps.items() if code not in triggers and step(caption)}
        assert said == set()


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("mochi_, hat", "mochi, hat"),
        ("ｍｏｃｈｉ, hat", "mochi, hat"),
        ("Mocih on the beach, smiling.", "mochi on the beach, smiling."),
        ("hat, mochi", "mochi, hat"),
        ("hat, MOCHI", "MOCHI, hat"),
        ("a photo of mochi", "a photo of mochi"),
        ("hat|||bow", "mochi, hat|||bow"),
        (",hat,,bow,", "mochi, hat, bow"),
        ("1girl，长发，微笑", "mochi, 1girl, 长发, 微笑"),
        ("mochi, hat \nsecond  line", "mochi, hat\nsecond line"),
        ("\r\n \r\nmochi, hat\r\n", "mochi, hat\r\n"),
    ],
)
def test_captions_as_they_should_be(view: DatasetView, text: str, after: str) -> None:
    assert fixed(view, place_of(view), text.encode(), ALL) == after.encode()
