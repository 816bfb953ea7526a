import pytest

from prep import captions
from prep.captions.faces import is_face
from prep.captions.spelling import spelled

# fmt: off
FACES = (
    "0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9",
    ">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||",  # those of the usual taggers
    "t_t", "T_T", "o_x", "o_0", "9_6", "O_o", ">_>", "<_<", "-_-", "^__^", "v_v", "*_*", "$_$",
    "?_?", ";_;", "•_•", "♥_♥", "ಠ_ಠ", "°_°", "[_]", r"\(o\)_\(o\)", "'_'", "o_<", "n_n",
)
TAGS = (
    "long_hair", "v_hair", "k_on", "k-on!_(series)", "a_re", "t_k_g", "yu_3", "3o_c", "a_ji",
    "k_(li)", "p_0_a", "mr._l", "m_k", "t_k", "n_u", "e_2", "m_f", "q_(c)", "7_n", "c_(letter)",
    "2_ru", "1_girl", "x_(x)_x", "犬_猫", "^_^_(meme)", "long hair", "^ ^", "_", "_a",
    "a_", "(o_o)", "no_s", "gr_7", "o_c_x", "",
)
# fmt: on


@pytest.mark.parametrize("face", FACES)
def test_faces_keep_their_underscores(face: str) -> None:
    assert is_face(face)
    assert captions.spaced(face) == face
    assert spelled(face, "spaces") == face
    assert "_" in captions.key(face)


@pytest.mark.parametrize("tag", TAGS)
def test_underscores_between_words_are_spaces(tag: str) -> None:
    assert not is_face(tag)
    assert captions.spaced(tag) == tag.replace("_", " ")
    assert "_" not in captions.key(tag)


@pytest.mark.parametrize("face", FACES)
def test_a_face_is_one_in_any_case(face: str) -> None:
    assert is_face(face.upper())
    assert captions.key(face.upper()) == captions.key(face)
