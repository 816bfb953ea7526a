"""Captions in other encodings are read right, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.curation.checks.encodings import decoded, guesses

SAMPLES = {
    "cp1252": [
        "1girl, café terrace, croissant",
        "a dog’s collar, “best friend”",
        "vestido de niña, piñata, jardín",
        "Mädchen, Fluß, grüne Bäume",
        "forêt, lumière, pâtisserie",
        "sunset – golden hour",
        "30° angle, wide shot",
    ],
    "cp932": [
        "mochi, 白い帽子, 笑顔",
        "女の子が海辺で立っている。",
        "猫耳, メイド服, 教室",
        "桜, 着物, 夜空",
    ],
    "gb18030": [
        "mochi, 白色帽子, 微笑",
        "一个女孩站在海边",
        "猫耳, 女仆装, 教室",
        "长头发, 红色裙子",
    ],
    "big5": ["mochi, 白色帽子, 微笑", "一個女孩站在海邊", "長頭髮, 紅色裙子"],
    "cp949": ["mochi, 하얀 모자, 미소", "소녀가 바다에 서 있다", "긴 머리, 빨간 드레스"],
    "cp1251": ["девушка стоит на берегу", "белая шляпа, улыбка"],
}
FLAT = [(encoding, text) for encoding, texts in SAMPLES.items() for text in texts]


@pytest.mark.parametrize(("encoding", "text"), FLAT)
def test_captions_are_read_right_or_not_at_all(encoding: str, text: str) -> None:
    found = decoded(text.encode(encoding))
    assert found is None or found.text == text
    assert decoded(text.encode(encoding), encoding) is not None


def test_most_captions_are_certain() -> None:
    certain = [text for encoding, text in FLAT if decoded(text.encode(encoding)) is not None]
    assert len(certain) >= 0.85 * len(FLAT)


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\ufeff\0"), min_size=1))
def test_marks_decide(text: str) -> None:
    for encoding in ("utf-16", "utf-32"):
        found = decoded(text.encode(encoding))
        assert found is not None
        assert (found.text, found.encoding) == (text, encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_zero_bytes_give_utf16_away(encoding: str) -> None:
    found = decoded("mochi, hat".encode(encoding))
    assert found is not None
    assert (found.text, found.encoding) == ("mochi, hat", encoding)


def test_a_zero_after_the_mark_of_utf16_is_no_utf32() -> None:
    found = decoded("\0hat".encode("utf-16"))
    assert found is not None
    assert (found.text, found.encoding) == ("\0hat", "utf-16")


@given(data=st.binary(max_size=40))
def test_nothing_is_raised_for_any_bytes(data: bytes) -> None:
    found = decoded(data)
    assert found is None or isinstance(found.text, str)
    assert len(guesses(data)) == len(set(guesses(data)))


def test_what_is_uncertain_is_left_alone() -> None:
    assert decoded(b"\xb0\xa1") is None  # one character of Chinese, or one of Korean
    assert decoded(b"\x81\x81\xff\xfe\x00") is None
    assert decoded("п".encode("koi8-r")) is None
