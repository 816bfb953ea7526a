"""What the vocabulary lint finds, and what --fix makes of it."""

from collections import Counter
from typing import Any

import pytest

from prep import events
from prep.captions.tag_lists import TagEntry
from prep.curation.vocabulary.findings import Linter, dataset_table
from prep.curation.vocabulary.usage import Usage
from prep.curation.vocabulary.words import Vocabulary, key_of
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError
from prep.events.words import Lint
from prep.ops import lint, scan
from prep.ops.lint import LintOptions
from prep.project import Project
from tests.conftest import MakeImage

VOCABULARY = """\
1girl,0,6000000,
long_hair,0,4300000,longhair
smile,0,2900000,"smiling,smiles"
hat,0,1000000,headwear
blue_eyes,0,1700000,
blue_hair,0,900000,
2girls,0,800000,
t-shirt,0,200000,
smlie,0,2,
aiko,4,50,
mug,0,20000,
saber_(fate),4,60000,
"""


def linter(tags: dict[str, int], right: dict[str, str] | None = None) -> Linter:
    """Compare tags (with the number of images) with the vocabulary."""
    entries = [line.split(",", 3) for line in VOCABULARY.replace('"', "").splitlines()]
    words = Vocabulary.build(
        TagEntry(name, int(kind), int(count), tuple(filter(None, aliases.split(","))))
        for name, kind, count, aliases in entries
    )
    usage = Usage()
    for tag, images in tags.items():
        usage.spellings[key_of(tag)][tag] += images
    return Linter(words, usage, right or {})


def said(tags: dict[str, int], right: dict[str, str] | None = None) -> dict[str, tuple[str, str]]:
    """Return code and suggestion for each tag that something is said of."""
    checks = linter(tags, right)
    dataset = dataset_table(checks.usage)
    found = [checks.tag(key, dataset) for key in checks.usage.spellings]
    return {item.tag: (item.code, item.suggestion) for item in found if item is not None}


@pytest.mark.parametrize(
    ("tag", "code", "suggestion"),
    [
        ("long hiar", "typo", "long hair"),
        ("long_hiar", "typo", "long_hair"),
        ("smiel", "typo", "smile"),
        ("smlie", "typo", "smile"),  # two pictures on the board against three million
        ("blue eyess", "typo", "blue eyes"),
        ("headwear", "alias", "hat"),
        ("smiling", "alias", "smile"),
        ("hatt", "typo", "hat"),
        ("blue mug", "unknown", ""),  # all its words are in use
        ("3girls", "unknown", ""),  # another number is no misspelling
        ("hut", "unknown", ""),  # too short to tell
        ("mochi", "unknown", ""),
    ],
)
def test_single_tags(tag: str, code: str, suggestion: str) -> None:
    assert said({tag: 1}) == {tag: (code, suggestion)}


@pytest.mark.parametrize("tag", ["smile", "Long Hair", "aiko", "saber (fate)", "{red|blue} hat"])
def test_nothing_is_said_of_what_is_known_or_no_tag(tag: str) -> None:
    assert said({tag: 1}) == {}


def test_a_tag_of_the_dataset_can_be_what_was_meant() -> None:
    assert said({"green body": 20, "gren body": 1})["gren body"] == ("typo", "green body")
    # What many images have is hardly a slip.
    assert said({"green body": 20, "gren body": 9})["gren body"] == ("unknown", "")


def test_own_words_are_right() -> None:
    assert said({"smiel": 3}, {"smiel": "smiel"}) == {}


def spellings(tags: dict[str, int], right: dict[str, str] | None = None) -> dict[str, str]:
    return {item.tag: item.suggestion for item in linter(tags, right).spellings()}


def test_spellings_inside_the_dataset() -> None:
    assert spellings({"long_hair": 2, "long hair": 2, "Long Hair": 1}) == {
        "long_hair": "long hair",
        "Long Hair": "long hair",
    }
    assert spellings({"long_hair": 3, "long hair": 2}) == {"long hair": "long_hair"}
    assert spellings({"Mochi": 9, "mochi": 1}, {"mochi": "mochi"}) == {"Mochi": "mochi"}
    assert spellings({r"saber \(fate\)": 5}) == {r"saber \(fate\)": "saber (fate)"}
    assert spellings({"t shirt": 9, "t-shirt": 1}) == {"t shirt": "t-shirt"}
    assert spellings({"star-mark": 1, "star mark": 4}) == {"star-mark": "star mark"}
    assert spellings({"smile": 3, "hat": 1, ">_<": 2, ">.<": 1}) == {}


@pytest.fixture
def library(project: Project, make_image: MakeImage) -> Project:
    (project.root / "tags.csv").write_text(VOCABULARY, encoding="utf-8")
    make_image("10_mochi/a.png", 1, caption="mochii, long hiar, headwear\nSecond line, headwear.")
    make_image("10_mochi/b.png", 2, caption="mochi, long_hair, headwear, hat, blue cube")
    make_image(
        "10_mochi/c.png", 3, caption="mochi, long hair, A bear in a hat sits on a chair, smiling."
    )
    make_image("1_other/d.png", 4, caption="mochii, smile")
    make_image("1_other/e.png", 5)
    list(scan.run(project))
    changes: dict[str, Any] = {
        "vocabulary": {"files": ["tags.csv"]},
        "concepts": {"10_mochi": {"trigger": "mochi"}},
    }
    return project.saved(changes)


def found(project: Project, **options: Any) -> list[events.Event]:
    return list(lint.run(project, LintOptions(**options)))


def lints(stream: list[events.Event]) -> set[tuple[str, str, str]]:
    return {(e.code, e.tag, e.suggestion) for e in stream if isinstance(e, Lint)}


def texts(project: Project) -> dict[str, str]:
    return {file.stem: file.read_text("utf-8") for file in project.dataset.rglob("*.txt")}


def test_findings_of_a_project(library: Project) -> None:
    before = texts(library)
    stream = found(library)
    assert lints(stream) == {
        ("alias", "headwear", "hat"),
        ("spelling", "long_hair", "long hair"),
        ("trigger-spelling", "mochii", "mochi"),
        ("typo", "long hiar", "long hair"),
        ("unknown", "blue cube", ""),
    }
    (alias,) = (e for e in stream if isinstance(e, Lint) and e.code == "alias")
    assert (alias.images, alias.severity, alias.problem) == (2, "warning", True)
    assert isinstance(stream[-1], events.Finished)
    assert stream[-1].summary["findings"]["unknown"] == 1
    assert texts(library) == before
    warnings = [e.severity for e in stream if isinstance(e, Lint)]
    assert warnings == sorted(warnings, reverse=True)


def test_fixing_is_one_edit_that_can_be_undone(library: Project) -> None:
    before = texts(library)
    preview = [e for e in found(library, fix=True, dry_run=True) if isinstance(e, events.Change)]
    assert texts(library) == before
    stream = found(library, fix=True)
    assert [e for e in stream if isinstance(e, events.Change)] == preview
    assert texts(library) == {
        "a": "mochi, long hair, hat\nSecond line, headwear.",
        "b": "mochi, long hair, hat, blue cube",
        "c": "mochi, long hair, A bear in a hat sits on a chair, smiling.",
        # The trigger word of another folder is not this one's.
        "d": "mochii, smile",
    }
    assert not any(event.problem for event in stream)
    assert lints(found(library)) == {("unknown", "blue cube", ""), ("unknown", "mochii", "")}
    with Index(library) as index:
        assert len(Journal(index).undo().changed) == 2
    assert texts(library) == before


def test_only_some_codes(library: Project) -> None:
    assert lints(found(library, only=("alias",))) == {("alias", "headwear", "hat")}
    found(library, only=("alias",), fix=True)
    assert Counter("headwear" in text.partition("\n")[0] for text in texts(library).values()) == {
        False: 4
    }
    assert "long hiar" in texts(library)["a"]


def test_only_some_images(library: Project) -> None:
    assert lints(found(library, where="in:1_other")) == {("unknown", "mochii", "")}
    found(library, where="name:b.png", fix=True)
    assert texts(library)["a"].startswith("mochii, long hiar, headwear")


def test_a_dry_run_needs_something_to_do(library: Project) -> None:
    with pytest.raises(ConfigError, match="--fix"):
        found(library, dry_run=True)


def test_without_a_list_the_dataset_is_compared_with_itself(library: Project) -> None:
    library = library.saved({"vocabulary": {"files": None}})
    stream = found(library)
    assert any(isinstance(event, events.Warned) for event in stream)
    assert lints(stream) == {
        ("spelling", "long_hair", "long hair"),
        ("trigger-spelling", "mochii", "mochi"),
    }


@pytest.mark.parametrize(
    ("trigger", "codes"),
    [
        ("mychara", set()),
        ("mochi", set()),
        ("sks", set()),
        ("smile", {"trigger-known", "trigger-common"}),
        ("smiling", {"trigger-known", "trigger-common"}),
        ("amber", {"trigger-common"}),
        ("cutecat", {"trigger-common"}),
        ("shikomi the brave bear of the woods", {"trigger-long"}),
        ("shikomi", set()),
        ("saber (fate)", {"trigger-known"}),
    ],
)
def test_trigger_words(library: Project, trigger: str, codes: set[str]) -> None:
    library = library.saved({"concepts": {"10_mochi": {"trigger": trigger}}})
    about = [e for e in found(library) if isinstance(e, Lint) and e.code != "trigger-spelling"]
    assert {e.code for e in about if e.code.startswith("trigger")} >= codes
    if not codes:
        assert not any(e.code.startswith("trigger") for e in about)
