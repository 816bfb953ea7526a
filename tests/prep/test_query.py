from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.changes import exclusion
from prep.edits import Journal
from prep.errors import ConfigError
from prep.index import Index
from prep.ops import scan
from prep.project import Project
from prep.query import Query
from tests.conftest import MakeImage


@pytest.fixture
def library(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/beach_1.png", 1, caption="mochi, long hair, smile, :d")
    make_image("10_mochi/beach_2.png", 2, caption="mochi, Long_Hair, hat")
    make_image("10_mochi/night.png", 3, caption="mochi, top hat, night sky, 100%_off")
    make_image("1_other/plain.png", 4)
    (project.dataset / "1_other" / "broken.png").write_bytes(b"no image")
    list(scan.run(project))
    with Index(project) as index:
        Journal(index).apply("x", [exclusion("dataset/10_mochi/beach_2.png", None, "by hand")])
    return project


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["beach_1", "beach_2", "night", "broken", "plain"]),
        ("   ", ["beach_1", "beach_2", "night", "broken", "plain"]),
        ("smile", ["beach_1"]),
        ('"long hair"', ["beach_1", "beach_2"]),
        ("LONG_HAIR", ["beach_1", "beach_2"]),
        ("mochi -hat", ["beach_1", "night"]),
        ("hat*", ["beach_2"]),
        ("top*", ["night"]),
        ('-"top hat" mochi', ["beach_1", "beach_2"]),
        ("name:BEACH", ["beach_1", "beach_2"]),
        ("-name:beach in:10_mochi", ["night"]),
        ('in:"1_other"', ["broken", "plain"]),
        ("excluded:yes", ["beach_2"]),
        ("excluded:no in:10_mochi", ["beach_1", "night"]),
        ("-excluded:yes in:10_mochi", ["beach_1", "night"]),
        ("has:error", ["broken"]),
        ("-has:caption", ["broken", "plain"]),
        (":d", ["beach_1"]),
        ("100%_off", ["night"]),
        ("100%*", ["night"]),
        ("%", []),
        ("nothing", []),
    ],
)
def test_filters(library: Project, text: str, names: list[str]) -> None:
    with Index(library) as index:
        rows = index.select(text)
        assert sorted(Path(row.path).stem for row in rows) == sorted(names)
        assert [row.id for row in rows] == list(index.ids(text))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('smile "long', "character 7: the quotation mark is not closed"),
        ("has:captions", "character 1: has: takes caption or error"),
        ("a -excluded:maybe", "excluded: takes yes or no"),
        ("exclude:yes", "no field 'exclude'"),
        ("nam:x", "no field 'nam'"),
    ],
)
def test_faults_are_pointed_at(text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault.replace("(", r"\(")) as caught:
        Query.parse(text)
    assert "^" in caught.value.hint


def test_tags_with_a_colon_are_no_fields() -> None:
    assert [(t.field, t.value) for t in Query.parse("re:zero :d -x:3").terms] == [
        ("", "re:zero"),
        ("", ":d"),
        ("", "x:3"),
    ]


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        condition, values = Query.parse(text).sql()
    except ConfigError:
        return
    assert condition.count("?") == len(values)
