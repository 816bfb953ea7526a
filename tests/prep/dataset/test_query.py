from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prep.dataset.index import Index
from prep.dataset.journal.changes import DECISIONS, Change, exclusion
from prep.dataset.journal.decisions import packed
from prep.dataset.journal.edits import Journal
from prep.dataset.journal.reviewed import review_changes
from prep.dataset.query import And, Not, Or, Query, Term
from prep.dataset.query.fields import ALIASES, FIELDS
from prep.errors import ConfigError
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage


@pytest.fixture
def library(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/beach_1.png", 1, caption="mochi, long hair, smile, :d")
    make_image("10_mochi/beach_2.png", 2, caption="mochi, Long_Hair, hat, (o)_(o)")
    make_image(
        "10_mochi/night.png", 3, caption="mochi, top hat, night sky, 100%_off\nA bear, asleep."
    )
    make_image("1_other/plain.png", 4, (64, 96))
    (project.dataset / "1_other" / "broken.png").write_bytes(b"no image")
    list(scan.run(project))
    with Index(project) as index:
        Journal(index).apply("x", [exclusion("dataset/10_mochi/beach_2.png", None, "by hand")])
    return project


ALL = ["beach_1", "beach_2", "night", "broken", "plain"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ALL),
        ("   ", ALL),
        ("smile", ["beach_1"]),
        ('"long hair"', ["beach_1", "beach_2"]),
        ("LONG_HAIR", ["beach_1", "beach_2"]),
        ("mochi -hat", ["beach_1", "night"]),
        ('tag:"top hat" or tag:hat', ["beach_2", "night"]),
        ("hat*", ["beach_2"]),
        ("*hat", ["beach_2", "night"]),
        ("*_ha*", ["beach_1", "beach_2", "night"]),
        ('tag:"ha*"', []),
        ("top*", ["night"]),
        ("*", ["beach_1", "beach_2", "night"]),
        ('-"top hat" mochi', ["beach_1", "beach_2"]),
        ('"hat"', ["beach_2", "night"]),
        ('"op hat"', []),
        ('"a bear, asleep"', ["night"]),
        ('"bear"', ["night"]),
        ("/b.ar/", ["night"]),
        (r"/^mochi, long\W/ -/sky/", ["beach_1"]),
        ("text:BEAR", ["night"]),
        ('caption:"hat, night"', ["night"]),
        ("name:BEACH", ["beach_1", "beach_2"]),
        ("-name:beach in:10_mochi", ["night"]),
        ('file:"dataset/10_mochi/beach_1.png"', ["beach_1"]),
        ("file:beach_1 or file:dataset/10_mochi/BEACH_1.png", []),
        ('in:"1_other"', ["broken", "plain"]),
        ("in:1*", ALL),
        ("in:10*", ["beach_1", "beach_2", "night"]),
        ("concept:mochi", ["beach_1", "beach_2", "night"]),
        ("concept:Other or concept:nothing", ["broken", "plain"]),
        ("excluded:yes", ["beach_2"]),
        ("excluded:no in:10_mochi", ["beach_1", "night"]),
        ("-excluded:yes in:10_mochi", ["beach_1", "night"]),
        ("excluded!=no", ["beach_2"]),
        ("has:error", ["broken"]),
        ("error", ["broken"]),
        ("error:no", ["beach_1", "beach_2", "night", "plain"]),
        ("-has:caption", ["broken", "plain"]),
        ("has:tags", ["beach_1", "beach_2", "night"]),
        (":d", ["beach_1"]),
        ("(o)_(o)", ["beach_2"]),
        ("((o)_(o))", ["beach_2"]),
        ("100%_off", ["night"]),
        ("100%*", ["night"]),
        ("%", []),
        ("nothing", []),
        ("smile or hat", ["beach_1", "beach_2"]),
        ("(smile or hat) long_hair", ["beach_1", "beach_2"]),
        ("not (smile or hat) and mochi", ["night"]),
        ("smile OR (hat AND NOT excluded:no)", ["beach_1", "beach_2"]),
        ("--smile", ["beach_1"]),
        ("ar<1", ["plain"]),
        ("ar:2/3", ["plain"]),
        ("ar=1.5", ["beach_1", "beach_2", "night"]),
        ("w>=96 h<=64 mp<0.01", ["beach_1", "beach_2", "night"]),
        ("width:60..70", ["plain"]),
        ("-w>1", ["broken"]),
        ("tags>3", ["beach_1", "beach_2", "night"]),
        ("tags=0 -error", ["plain"]),
        ("size<10 or size>1MB", ["broken"]),
        ("format:png", ["beach_1", "beach_2", "night", "plain"]),
        ("orientation:1 alpha:no animated:no", ["beach_1", "beach_2", "night", "plain"]),
    ],
)
def test_filters(library: Project, text: str, names: list[str]) -> None:
    with Index(library) as index:
        rows = index.select(text)
        assert sorted(Path(row.path).stem for row in rows) == sorted(names)
        assert [row.id for row in rows] == list(index.ids(text))


@pytest.mark.parametrize(
    ("text", "column", "fault"),
    [
        ('smile "long', 7, "the closing quotation mark is missing"),
        ("has:captions", 1, "did you mean caption?"),
        ("a -excluded:maybe", 4, "excluded takes one of yes, no, not 'maybe'"),
        ("exclude:yes", 1, "no field 'exclude'"),
        ("nam:x", 1, "no field 'nam'"),
        ("smile wdth>=3", 7, "no field 'wdth'"),
        ("a (smile or", 3, "bracket is not closed"),
        ("smile )", 7, "has no opening bracket"),
        ("(smile or )", 11, "something is missing before the bracket"),
        ("smile or", 9, "missing at the end"),
        ("or smile", 1, "missing before 'or'"),
        ("smile and or", 11, "missing before 'or'"),
        ("a - b", 3, "nothing follows the minus"),
        ("w>=big", 1, "w takes a number"),
        ("name>3", 1, "name is not a number"),
        ("bucket:512", 1, "takes a size such as 832x1216"),
        ("score>0.3", 1, "score:smile>0.6"),
        ("score:smile", 1, "score:smile>0.6"),
        ("hand:smile", 1, "hand: takes"),
        ("a /b(/", 5, "regular expression"),
        ("a /b", 3, "not closed by a slash"),
        ('a "b"c', 6, "a space is missing"),
        ('a ""', 3, "nothing between"),
        ("name:", 1, "needs a value"),
        ("dup:maybe", 1, "dup takes one of"),
    ],
)
def test_faults_are_pointed_at(text: str, column: int, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Query.parse(text)
    assert fault in caught.value.message
    assert f"character {column}:" in caught.value.message
    shown, pointer = caught.value.hint.splitlines()[-2:]
    assert shown.strip() == text.strip()
    assert pointer.index("^") == column - 1


def test_the_caret_stands_below_wide_letters() -> None:
    with pytest.raises(ConfigError) as caught:
        Query.parse("帽子 has:x")
    assert caught.value.hint.endswith("帽子 has:x\n     ^")


@pytest.mark.parametrize(
    "text",
    ["re:zero", ":d", "x:3", ":)", ";)", ">_<", "=_=", "0_0", "a>b", "poster_(object)", "a)"],
)
def test_tags_of_any_shape_are_no_fields(text: str) -> None:
    assert Query.parse(text).tree == Term("", text)
    assert Query.parse(f"-{text}").tree == Not(Term("", text))


def test_a_face_with_a_minus_for_an_eye_is_no_exclusion() -> None:
    assert Query.parse("-_-").tree == Term("", "-_-")
    assert Query.parse("--_-").tree == Not(Term("", "-_-"))
    assert Query.parse("-(o)_(o)").tree == Not(Term("", "(o)_(o)"))
    assert Query.parse("(o_o)").tree == Term("", "o_o")


def test_brackets_group_and_words_keep_theirs() -> None:
    a, b = Term("", "poster_(object)"), Term("", ":)")
    assert Query.parse("(poster_(object) or :))").tree == Or((a, b))
    assert Query.parse("poster_(object) :) or poster_(object)").tree == Or((And((a, b)), a))


@given(st.text(st.characters(codec="utf-8"), max_size=40))
@example("(((((")
@example("a" + "(" * 60)
@example('score:">_<">0.5')
def test_any_text_is_read_or_refused(text: str) -> None:
    fault = ""
    try:
        Query.parse(text)
    except ConfigError as error:
        fault = error.hint
    assert not fault or "^" in fault


@pytest.mark.parametrize("name", [*FIELDS, *ALIASES])
def test_every_field_is_documented(name: str) -> None:
    page = Path(__file__).parents[3] / "docs" / "topics" / "filters.md"
    text = page.read_text("utf-8")
    assert any(f"`{name}{sign}" in text for sign in (":", ">", "<", "=", "`"))


def test_reviewed_means_with_the_caption_as_it_is_now(library: Project) -> None:
    def names(where: str) -> list[str]:
        with Index(library) as index:
            return sorted(Path(row.path).stem for row in index.select(where))

    with Index(library) as index:
        rows = [index.get(f"dataset/{name}.png") for name in ("10_mochi/night", "1_other/plain")]
        marks = review_changes(index, [row for row in rows if row is not None], mark=True)
        other = Change("dataset/10_mochi/beach_1.png", DECISIONS, None, packed({"cut": {"*"}}))
        Journal(index).apply("x", [*marks, other])
        index.connection.execute("INSERT INTO work.decisions VALUES('dataset/x.png', 'no JSON')")
        index.connection.commit()
    assert names("reviewed:yes") == ["night", "plain"]
    assert names("reviewed:no") == names("-reviewed:yes") == ["beach_1", "beach_2", "broken"]
    (library.dataset / "10_mochi" / "night.txt").write_text("mochi, night sky", "utf-8")
    list(scan.run(library))
    assert names("reviewed:yes") == ["plain"]
