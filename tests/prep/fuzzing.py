"""Strategies for files from strangers: valid ones with damage, and values of every kind."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from prep.errors import DefectError, UserError

NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30), st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**12])
)
WORDS = st.one_of(
    st.text(max_size=8), st.sampled_from(["\0", "\x1b[2J", "a" * 5000, "../..", "/", "~", "\udc80"])
)
ATOMS = st.one_of(st.none(), st.booleans(), NUMBERS, st.floats(), WORDS)
VALUES: st.SearchStrategy[Any] = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
"""What JSON and TOML can hold, and more."""


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return ``whole`` with bytes replaced, removed or doubled, or cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        kind = draw(st.sampled_from(["byte", "cut", "drop", "double", "insert"]))
        if kind == "byte":
            data[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[place:]
        elif kind == "drop":
            del data[place : place + draw(st.integers(1, 40))]
        elif kind == "double":
            data[place:place] = data[place : place + draw(st.integers(1, 40))]
        else:
            data[place:place] = draw(st.binary(max_size=12))
    return bytes(data)


def answers_or_explains(work: Callable[[], object]) -> None:
    """Do something that may refuse its input, but only with a sentence for people."""
    with suppress(UserError):
        try:
            work()
        except DefectError as error:  # a sentence, too, but it asks people to report a bug
            raise AssertionError(error) from error
