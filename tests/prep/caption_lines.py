"""Caption lines with everything that may stand in them, for property tests."""

from hypothesis import strategies as st

SENTENCE = "A bear in a red hat sits on the beach, smiling at us."
TAGS = [
    "mochi", "1girl", "solo", "hat", "straw hat", "Long_Hair", "long hair", "poster (object)",
    r"saber \(fate\)", "^_^", ";)", ":d", "re:zero", r"\m/", "||_||", "kimi no na wa.", "少女",
    "{red, blue|green} hat", "{{literal}}", "(smile:1.2)", "don't say \"lazy\"",
]  # fmt: skip
GAPS = [", ", ",", " , ", " ||| ", "|||", ";;;", ", , ", ",\t"]

tags = st.sampled_from(TAGS)
tag_lists = st.lists(tags, max_size=7, unique=True)


@st.composite
def structured(draw: st.DrawFn) -> str:
    """Draw a line of tags, sentences and marks, with untidy separators."""
    parts = [draw(st.sampled_from(["", "", " ", ", ", "||| "]))]
    sentence = draw(st.integers(0, 14))  # two in a row would be one
    for number in range(draw(st.integers(0, 7))):
        parts += [draw(st.sampled_from(GAPS))] if number else []
        parts.append(SENTENCE if number == sentence else draw(st.sampled_from(TAGS)))
    return "".join([*parts, draw(st.sampled_from(["", "", ",", " ", " |||"]))])


endings = st.sampled_from(["", "\n", "\r\n", "\r", "\nsecond, line\n", "\r\nA second text.\r\n"])
texts = st.builds(
    lambda head, line, rest: head + line + rest,
    st.sampled_from(["", "", "\ufeff"]),
    structured(),
    endings,
)
