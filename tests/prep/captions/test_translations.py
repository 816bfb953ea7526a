"""Translations of tags: the files that people have, and how a tag is found by its meaning."""

from pathlib import Path

import pytest

from prep.captions.tag_lists import TagEntry
from prep.captions.translations import Translations, read_translations
from prep.cli.dataset import tags
from prep.curation.vocabulary.complete import Completer
from prep.curation.vocabulary.words import Vocabulary
from prep.errors import UserError
from prep.events.words import Completion
from prep.ops.complete import CompleteOptions, run
from prep.project import Project
from tests.conftest import MakeImage

FILES = {
    "two columns": "1girl,女の子\ntop_hat,シルクハット\n",
    "three columns": "1girl,0,女の子\ntop_hat,0,シルクハット\n",
    "aliases": 'top_hat,0,60000,"tophat,礼帽,シルクハット"\n1girl,0,9,"女の子"\nsolo,0,5,"alone"\n',
    "a column more": '1girl,0,9,"1girls,女子",女の子\ntop_hat,0,6,,シルクハット\n',
    "header": "count,translation,tag\n9,女の子,1girl\n6,シルクハット,top_hat\n",
    "Japanese header": "英語,日本語\n1girl,女の子\ntop_hat,シルクハット\n",
    "header of a list": "tag,category,count,aliases\n1girl,0,9,女の子\ntop_hat,0,6,シルクハット\n",
    "tabs": "1girl\t女の子\ntop_hat\tシルクハット\n",
    "Windows": "1girl,女の子\r\ntop_hat,シルクハット\r\n\r\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
def test_files_that_people_have(tmp_path: Path, text: str, encoding: str) -> None:
    (file := tmp_path / "tags.csv").write_bytes(text.encode(encoding))
    found = read_translations(file)
    assert (len(found), found.of("1girl")) == (2, "女の子")
    assert found.of("Top Hat") == found.of("top_hat") == "シルクハット"
    assert not found.of("solo")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "There is no file"),
        (b"", "has no translations"),
        (b"solo,0,5000000,alone\nhat,0,3,\n", "has no translations"),
        (b"solo,5000000\n", "has no translations"),
        (b"\xff\xa0\x80\x81,\x00", "neither UTF-8 nor Shift_JIS"),
        ("hat,帽子\nbow,リ".encode()[:-1], "neither UTF-8 nor Shift_JIS"),
        ("hat,帽子\n".encode("utf-16-le"), "neither UTF-8 nor Shift_JIS"),
        (b'hat,"' + b"x" * 200_000, "not a valid CSV"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, content: bytes | None, told: str) -> None:
    file = tmp_path / "tags.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=told) as caught:
        read_translations(file)
    assert str(file) in caught.value.message


def test_nothing_controls_the_terminal_or_is_endless(tmp_path: Path) -> None:
    (file := tmp_path / "tags.csv").write_text(
        f'hat,"帽\x1b]0;x\x07\n子\u202e"\nbow,{"リ" * 500}\n'
    )
    found = read_translations(file)
    assert found.of("hat") == "帽]0;x 子"
    assert len(found.of("bow")) == 80


def test_the_same_words_come_first_then_what_begins_with_them() -> None:
    pairs = {
        "a": "白い帽子",
        "b": "帽子屋",
        "c": "帽子",
        "d": "スカート",
        "e": "ﾒｲﾄﾞ",
        "f": "帽子、帽子",
    }
    found = Translations(pairs.items())
    assert found.tags("帽子") == ["c", "b", "f", "a"]
    assert found.tags("帽子", limit=2) == ["c", "b"]
    assert found.tags("すか") == ["d"]
    assert found.tags("メイド") == ["e"]
    assert found.tags(" ") == found.tags("靴") == []
    assert Translations([("hat", "one"), ("Hat", "two")]).of("hat") == "one"


def test_tags_are_completed_by_their_meaning() -> None:
    words = Vocabulary.build([TagEntry("top_hat", 0, 9), TagEntry("hat", 0, 50)])
    known = Translations(
        [("hat", "帽子"), ("top_hat", "トップハット帽子"), ("santa_hat", "サンタ帽子")]
    )
    completer = Completer(words, {"top hat": 2}, known)
    found = completer.complete("帽子")
    assert [(one.tag, one.images, one.count) for one in found] == [
        ("top hat", 2, 9),  # of the dataset
        ("hat", 0, 50),
        ("santa hat", 0, 0),
    ]
    assert found[0].translation == "トップハット帽子"
    assert [one.tag for one in completer.complete("帽子", 2)] == ["top hat", "hat"]
    assert completer.complete("top")[0].translation == "トップハット帽子"


def test_the_command_line_shows_them(
    project: Project, make_image: MakeImage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_image("10_mochi/a.png", 1, caption="top hat, solo")
    (file := tmp_path / "tags.csv").write_text("top_hat,シルクハット\n")
    assert tags(project.root, translations=file) == 0
    assert "     1  solo\n     1  top hat  シルクハット\n" in capsys.readouterr().out
    found = next(run(project, "しるく", CompleteOptions(translations=file)))
    assert found == Completion("top hat", 1, 0, translation="シルクハット")
