"""Tag lists: reading their forms, packing, completion, nearest tags."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.captions.tag_lists import KINDS, TagEntry, read_list
from prep.curation.vocabulary import store
from prep.curation.vocabulary.complete import Completer
from prep.curation.vocabulary.nearest import allowed, distance, near
from prep.curation.vocabulary.words import Vocabulary, key_of
from prep.errors import UserError
from prep.project import Project

DANBOORU = """\
1girl,0,6000000,"1girls,sole_female"
long_hair,0,4300000,"/lh,longhair"
smile,0,2900000,
hatsune_miku,4,110000,"miku"
miku,4,12,
don't_say_"lazy",3,700,
hair_bow,0,800000,
chair,0,90000,"seat,hair_of_c"
>_<,0,50000,
"""


def listed(folder: Path, text: str, name: str = "tags.csv") -> list[TagEntry]:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return read_list(file)


@pytest.fixture
def words(tmp_path: Path) -> Vocabulary:
    return Vocabulary.build(listed(tmp_path, DANBOORU))


def kinds(entries: list[TagEntry]) -> dict[str, str]:
    return {entry.name: KINDS[entry.kind] for entry in entries}


def test_booru_csv(tmp_path: Path) -> None:
    entries = listed(tmp_path, DANBOORU)
    assert entries[1] == TagEntry("long_hair", 0, 4300000, ("/lh", "longhair"))
    assert entries[5].name == 'don\'t_say_"lazy"'
    assert kinds(entries)["hatsune_miku"] == "character"
    assert len(entries) == 9


def test_type_numbers_are_those_of_the_board(tmp_path: Path) -> None:
    e621 = "mammal,5,4000000,\nsolo,0,100,\nconditional_dnp,7,90,\nlore,8,4,\n"
    assert list(kinds(listed(tmp_path, e621)).values()) == ["species", "general", "meta", "lore"]
    plain = "canine,5,100,\n"
    assert kinds(listed(tmp_path, plain, "e621.csv")) == {"canine": "species"}
    assert kinds(listed(tmp_path, plain, "danbooru.csv")) == {"canine": "meta"}
    merged = "smile,0,9,\nsmirk,7,8,\nfox,12,7,\nsomebody,11,6,\nmiku,4,5,\n"
    assert list(kinds(listed(tmp_path, merged)).values()) == [
        "general", "general", "species", "character", "character",
    ]  # fmt: skip


def test_tagger_tables_and_plain_lists(tmp_path: Path) -> None:
    table = "tag_id,name,category,count\n9,general,9,5\n1,long_hair,0,7\n2,saber_(fate),4,3\n"
    assert listed(tmp_path, table) == [
        TagEntry("general", 6, 5),
        TagEntry("long_hair", 0, 7),
        TagEntry("saber_(fate)", 3, 3),
    ]
    pixai = "id,tag_id,name,category,count,ips\n0,1,hat,0,9,[]\n"
    assert listed(tmp_path, pixai) == [TagEntry("hat", 0, 9)]
    lines = "\ufefflong hair\n\n#compass\n  hat \nno, tag\n"
    assert [entry.name for entry in listed(tmp_path, lines)] == ["long hair", "#compass", "hat"]
    assert listed(tmp_path, "hat,9\nbow,3\n") == [TagEntry("hat", 0, 9), TagEntry("bow", 0, 3)]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00", None])
def test_lists_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "tags.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=r"tags\.csv"):
        read_list(file)


def test_finding_tags_and_aliases(words: Vocabulary) -> None:
    found = words.find("Long_Hair")
    assert found is not None
    assert (found.tag, found.count, found.alias) == ("long hair", 4300000, "")
    alias = words.find("/lh")
    assert alias is not None
    assert (alias.tag, alias.alias) == ("long hair", "/lh")
    # A tag of its own is not an alias of a more frequent one.
    miku = words.find("miku")
    assert miku is not None
    assert (miku.count, miku.alias) == (12, "")
    assert words.find(">_<") is not None
    assert words.find("hair") is None
    assert words.find("") is None


TAG = st.text("ab c_(日é", min_size=1, max_size=8).filter(lambda tag: bool(key_of(tag)))
ENTRIES = st.lists(
    st.builds(
        TagEntry, TAG, st.integers(0, 5), st.integers(0, 99), st.lists(TAG, max_size=2).map(tuple)
    ),
    max_size=12,
)


@given(ENTRIES, TAG)
def test_a_packed_table_answers_as_a_dictionary(entries: list[TagEntry], other: str) -> None:
    best = {key_of(e.name): 0 for e in entries}
    for entry in entries:
        key = key_of(entry.name)
        best[key] = max(best[key], entry.count)
    aliases = {key_of(alias) for entry in entries for alias in entry.aliases}
    words = Vocabulary.unpack(Vocabulary.build(entries).pack())
    for key in {*best, *aliases, key_of(other)}:
        found = words.find(key)
        if key in best:
            assert found is not None
            assert (key_of(found.tag), found.count, found.alias) == (key, best[key], "")
        elif key in aliases:
            assert found is not None
            assert key_of(found.alias) == key
        else:
            assert found is None


def test_damaged_tables_are_told() -> None:
    data = Vocabulary.build([TagEntry("hat")]).pack()
    for broken in (b"", b"nonsense", data[: len(data) // 2]):
        with pytest.raises(ValueError, match="not a table"):
            Vocabulary.unpack(broken)


def completed(completer: Completer, text: str, limit: int = 20) -> list[str]:
    return [found.tag for found in completer.complete(text, limit)]


def test_completion_finds_inside_words_and_orders(words: Vocabulary) -> None:
    completer = Completer(words, {"hair ribbon": 3, "mochi": 9, "chair": 2})
    assert completed(completer, "hair") == ["hair ribbon", "long hair", "hair bow", "chair"]
    assert completed(completer, "AIR_B") == ["hair bow"]
    assert completed(completer, "smile") == ["smile"]
    assert completed(completer, "") == []
    assert completed(completer, "hair", 2) == ["hair ribbon", "long hair"]
    chair = completer.complete("cha")[0]
    assert (chair.tag, chair.images, chair.count, chair.kind) == ("chair", 2, 90000, "general")


def test_completion_shows_by_which_alias(words: Vocabulary) -> None:
    (seat,) = Completer(words).complete("sea")
    assert (seat.tag, seat.alias) == ("chair", "seat")
    assert [found.alias for found in Completer(words).complete("/lh")] == ["/lh"]


def test_completion_guesses_when_nothing_matches(words: Vocabulary) -> None:
    assert completed(Completer(words), "long hiar") == ["long hair"]
    assert completed(Completer(words), "xyz") == []


@given(ENTRIES, st.text("abc (日", min_size=1, max_size=3), st.integers(1, 5))
def test_completion_is_a_search_for_letters(entries: list[TagEntry], text: str, limit: int) -> None:
    typed = key_of(text)
    completer = Completer(Vocabulary.build(entries))
    keys = [key_of(entry.name) for entry in entries]
    aliases = [key_of(alias) for entry in entries for alias in entry.aliases]
    found = completed(completer, text, 1000)
    assert len(set(found)) == len(found)
    if typed:
        holding = {key for key in keys if typed in key}
        assert holding <= set(map(key_of, found))
        if not any(typed in alias for alias in aliases):
            assert holding == set(map(key_of, found)) or len(typed) >= 4
            assert completed(completer, text, limit) == found[:limit]
    assert len(completed(completer, text, limit)) <= limit


LETTERS = st.text("ab c", max_size=7)


def by_definition(first: str, second: str) -> int:
    """Optimal string alignment, written down as it is defined."""
    if not first or not second:
        return len(first) + len(second)
    choices = [
        by_definition(first[1:], second) + 1,
        by_definition(first, second[1:]) + 1,
        by_definition(first[1:], second[1:]) + (first[0] != second[0]),
    ]
    if len(first) > 1 and len(second) > 1 and first[:2] == second[1::-1]:
        choices.append(by_definition(first[2:], second[2:]) + 1)
    return min(choices)


@given(st.text("abc", max_size=5), st.text("abc", max_size=5), st.integers(0, 3))
def test_distance(first: str, second: str, most: int) -> None:
    assert distance(first, second, most) == min(by_definition(first, second), most + 1)


@given(st.lists(st.text("abcd e1", min_size=4, max_size=12), max_size=30), st.data())
def test_no_near_tag_is_lost(tags: list[str], data: st.DataObject) -> None:
    words = Vocabulary.build(TagEntry(tag) for tag in tags if key_of(tag))
    typed = key_of(data.draw(st.text("abcd e1", min_size=4, max_size=12)))
    most = data.draw(st.integers(1, 2))
    keys = {key_of(tag) for tag in tags if key_of(tag)}
    expected = {key for key in keys if key != typed and distance(typed, key, most) <= most}
    assert {words.key(entry) for entry, _ in near(words, typed, most)} == expected


def test_short_tags_are_not_corrected(words: Vocabulary) -> None:
    assert [allowed(tag) for tag in ("hut", "smil", "smilling")] == [0, 1, 2]
    assert near(words, "hai") == []


def test_a_project_packs_its_lists_once(project: Project) -> None:
    (project.root / "tags.csv").write_text(DANBOORU, encoding="utf-8")
    project = project.saved({"vocabulary": {"files": ["tags.csv"]}})
    assert len(store.load(project)) == 15
    (copy,) = (project.state / "vocabulary").iterdir()
    before = copy.stat().st_mtime_ns
    assert store.load(project).find("smile") is not None
    assert copy.stat().st_mtime_ns == before
    copy.write_bytes(b"damaged")
    assert len(store.load(project)) == 15
    for number in range(6):
        (project.root / "tags.csv").write_text(f"tag{number},0,1,\n", encoding="utf-8")
        assert store.load(project).find(f"tag{number}") is not None
    assert len(list((project.state / "vocabulary").iterdir())) == 4


def test_without_lists_the_tagger_says_what_is_known(project: Project) -> None:
    assert len(store.load(project)) == 0
    project = project.saved({"tagger": {"model": "demo"}})
    assert store.load(project).find("simple_background") is not None
    project = project.saved({"tagger": {"model": "someone/not-here"}})
    assert store.lists(project) == []
    with pytest.raises(UserError, match=r"none\.csv"):
        store.load(project, ["none.csv"])


def test_many_tags() -> None:
    rng = random.Random(0)
    syllables = [
        "ka",
        "ri",
        "to",
        "hat",
        "bow",
        "red",
        "blue",
        "long",
        "hair",
        "smile",
        "cat",
        "ma",
    ]
    names = {
        " ".join("".join(rng.choices(syllables, k=2)) for _ in range(3)) for _ in range(50_000)
    }
    ordered = sorted(names)
    words = Vocabulary.build(TagEntry(name, 0, count) for count, name in enumerate(ordered))
    completer = Completer(words)
    for text in ("a", "hair", "ongha", "zz", "smilecat r"):
        begun = [name for name in reversed(ordered) if f" {text}" in f" {name}"]
        inside = [name for name in reversed(ordered) if text in name and name not in begun[:20]]
        assert completed(completer, text) == [*begun[:20], *inside][:20]
    right = ordered[500]
    assert right in [words.key(entry) for entry, _ in near(words, right.replace("a", "", 1), 1)]


def test_what_is_too_long_for_a_tag_is_not_compared() -> None:
    long = 300 * "abcdefghi "
    words = Vocabulary.build([TagEntry(long + "j"), TagEntry(199 * "a"), TagEntry("smile")])
    assert len(words) == 2
    assert near(words, long) == []
    assert len(near(words, 198 * "a" + "b")) == 1


def test_aliases_that_are_too_long_are_left_out() -> None:
    words = Vocabulary.build([TagEntry("smile", aliases=(200 * "a", 201 * "b"))])
    assert (words.find(200 * "a") is None, words.find(201 * "b")) == (False, None)


def test_rarer_tags_than_asked_for_are_not_compared() -> None:
    words = Vocabulary.build([TagEntry("smile", 0, 10, ("smill",)), TagEntry("smilt", 0, 9)])
    found = {words.key(entry) for entry, _ in near(words, "smilx", 1, at_least=10)}
    assert found == {"smile", "smill"}
