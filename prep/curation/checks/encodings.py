"""Decode text in an unknown encoding.

Byte order marks decide if they are there (UTF-8, UTF-16, UTF-32), and zero bytes reveal UTF-16.
Otherwise each encoding that can decode the bytes is scored by how much the result looks
like real text, and only a clear winner is accepted. Captions are too short for
general detectors, which are made for whole pages: see
``tests/prep/curation/test_check_encodings.py``.
"""

import codecs
import unicodedata
from dataclasses import dataclass

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CANDIDATES = ("cp1252", "cp932", "gb18030", "big5", "cp949", "cp1251")
"""Windows' encodings of Western, Japanese, Chinese (both), Korean and Russian text."""

_NAMES = {"cp932": "shift_jis", "utf-8-sig": "utf-8"}
_CLEAR = 0.15
"""Factor by which the best score must exceed the next."""
# Frequent characters in captions, by script, since short texts have few of them.
_HANGUL = frozenset(
    "이다는가의에을고하지를은도기사리자한로어서나아시그일정인해대라부전수보상여주과소장구비제원"
    "스으오마만선성면안있었했게든들미진개경관동물세위조바발등머긴손눈입옷모녀웃색파란빨검흰밤하늘"
)
_SIMPLIFIED = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年"
    "发后作里用道行所然家种事成方多去如同长短头发眼睛女男孩衣服帽裙白黑红蓝绿黄紫色笑微海天空"
    "花猫狗小熊双手站坐看背景蓝耳水"
)
_TRADITIONAL = frozenset(
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年"
    "發後作裡用道行所然家種事成方多去如同長短頭髮眼睛女男孩衣服帽裙白黑紅藍綠黃紫色笑微海天空"
    "花貓狗小熊雙手站坐看背景耳水"
)
_KANJI = frozenset(
    "日一人大年出本中子見国上分生行二間時気十女三前入小後長下学月何来話山高今書五名金男外四先"
    "川東聞語九食八水天木六髪眼服帽笑顔白黒赤青緑黄紫色空夜海猫犬耳手足花立座背景少制夕朝美姫"
)
_WESTERN = frozenset("äöüÄÖÜßéèêëÉÈàâáåãçÇñÑíìîïóòôõøØúùûæœŒÆ¡¿°²³½€£’‘“”…–—•™®©×")


@dataclass(frozen=True)
class Decoded:
    """A text and the encoding it was in."""

    text: str
    encoding: str


def decoded(data: bytes, encoding: str = "") -> Decoded | None:
    """Read bytes that are not UTF-8.

    Args:
        data: The file.
        encoding: Their encoding; guessed if empty.

    Returns:
        The text, or ``None`` if the encoding is not certain enough.
    """
    if encoding:
        return _read(data, encoding)
    for mark, name in MARKS:
        # UTF-32's mark also reads as UTF-16 and a zero character: if decoding fails, continue.
        if data.startswith(mark) and (found := _read(data, name)):
            return found
    if name := _zeros(data):
        return _read(data, name)
    return _weighed(data)


def guesses(data: bytes) -> list[str]:
    """Return the encodings that could have produced these bytes, most likely first."""
    found = [(score, name) for name in CANDIDATES if (score := _score(data, name)) is not None]
    return [_NAMES.get(name, name) for _, name in sorted(found, reverse=True)]


def _read(data: bytes, encoding: str) -> Decoded | None:
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None
    return Decoded(text.removeprefix("\ufeff"), _NAMES.get(encoding, encoding))


def _zeros(data: bytes) -> str:
    """Return UTF-16 and its byte order if every other byte is mostly zero."""
    if len(data) < 4 or len(data) % 2:
        return ""
    even, odd = data[::2].count(0), data[1::2].count(0)
    half = len(data) // 2
    if odd > half * 0.6 and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.6 and odd == 0 else ""


def _weighed(data: bytes) -> Decoded | None:
    scores = sorted(
        ((score, name) for name in CANDIDATES if (score := _score(data, name)) is not None),
        reverse=True,
    )
    if not scores or scores[0][0] < 0.5:
        return None
    best, name = scores[0]
    text = data.decode(name)
    for score, other in scores[1:]:
        # Two encodings with the same result do not conflict.
        if best - score < _CLEAR and data.decode(other) != text:
            return None
    return Decoded(text, _NAMES.get(name, name))


def _score(data: bytes, encoding: str) -> float | None:
    """Return how plausible a decoding is, 0 to 1; ``None`` if the bytes cannot be decoded."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    total = weight = 0.0
    for place, character in enumerate(text):
        if character < "\x80":
            if character < " " and character not in "\r\n\t":
                return None
            continue
        total += 1
        before = text[place - 1] if place else " "
        after = text[place + 1] if place + 1 < len(text) else " "
        weight += _plausible(character, before, after, encoding)
    return weight / total if total else None


def _plausible(character: str, before: str, after: str, encoding: str) -> float:
    """Return how plausible a non-ASCII character is in its position, 0 to 1."""
    category = unicodedata.category(character)
    if category in ("Co", "Cn", "Cc"):
        return -1.0
    if encoding == "cp1252":
        return _western(character, before, after)
    if encoding == "cp1251":
        return _cyrillic(character, before, after)
    return _eastern(character, before, after, encoding)


def _western(character: str, before: str, after: str) -> float:
    if character not in _WESTERN:
        return 0.1
    if not character.isalpha():
        # Punctuation is at the edge of words; between letters, only an apostrophe.
        if (character in "’”" and before.isspace()) or (character in "‘“" and after.isspace()):
            return 0.2
        inside = before.isalpha() and after.isalpha()
        return 0.9 if not inside or character in "’–—" else 0.2
    neighbours = [c for c in (before, after) if c.isalpha()]
    plain = sum(c.isascii() for c in neighbours)
    if not neighbours:
        return 0.4
    # Words of only accents, or with capitals inside, are bytes of another encoding.
    misplaced = character.isupper() and before.isalpha() and before.islower()
    return (0.2 if misplaced else 0.95) if plain else 0.2


def _cyrillic(character: str, before: str, after: str) -> float:
    if not "А" <= character <= "я" and character not in "ёЁ":
        return 0.1
    neighbours = [c for c in (before, after) if c.isalpha()]
    if any(c.isascii() for c in neighbours):
        return 0.1
    if character.isupper() and before.isalpha() and before.islower():
        return 0.2
    return 0.8 if neighbours else 0.3


def _eastern(character: str, before: str, after: str, encoding: str) -> float:
    code = ord(character)
    # A letter consumed as the second byte.
    glued = before.isascii() and before.isalpha() and after.isascii() and after.isalpha()
    if glued:
        return 0.0
    if 0x3040 <= code <= 0x30FF:  # kana
        return {"cp932": 1.0, "gb18030": 0.4}.get(encoding, 0.3)
    if 0xAC00 <= code <= 0xD7A3:  # hangul
        return _hangul(character) if encoding == "cp949" else 0.1
    if 0xFF61 <= code <= 0xFF9F:  # half-width kana: nearly always bytes of another encoding
        return 0.0
    if 0x3000 <= code <= 0x303F or 0xFF00 <= code <= 0xFF60:
        return 0.8
    if 0x4E00 <= code <= 0x9FFF:
        return _ideograph(character, encoding)
    return 0.3 if character in _WESTERN else 0.05


def _hangul(character: str) -> float:
    if character in _HANGUL:
        return 1.0
    # KS X 1001 has 2,350 syllables; cp949 has nine thousand more, which are rare.
    return 0.7 if all(byte >= 0xA1 for byte in character.encode("cp949")) else 0.1


def _ideograph(character: str, encoding: str) -> float:
    """Return how plausible an ideograph is: character sets put the common ones first."""
    often = {"gb18030": _SIMPLIFIED, "cp932": _KANJI, "big5": _TRADITIONAL}
    if character in often.get(encoding, ()):
        return 1.0
    first = character.encode(encoding)[0]
    common = {
        "gb18030": 0xB0 <= first <= 0xD7,  # level 1 of GB 2312: 3,755 by use
        "cp932": 0x88 <= first <= 0x97,  # level 1 of JIS X 0208: 2,965 by use
        "big5": 0xA4 <= first <= 0xC6,  # level 1: 5,401 by use
        "cp949": False,  # Koreans write hangul
    }[encoding]
    return 0.65 if common else 0.25
