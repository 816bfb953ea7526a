"""Convert a model's answer to one line for a caption file."""

import re

_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^```\w*\s*\n(.*?)\n?```$", re.DOTALL)
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"), ("«", "»"), ("「", "」"))
_END = re.compile(r"""[.!?…。！？]["'”’)\]]*(?=\s|$|[^\x00-\x7f])""")


def one_line(answer: str, *, cut: bool = False) -> str:
    r"""Return the answer as one line of text, or an empty string if nothing is left.

    Thoughts that reasoning models write before their answer, and quotation marks or code fences
    around the whole answer, are removed; whitespace becomes single spaces.

    Args:
        answer: The raw answer.
        cut: It was truncated: text after the last complete sentence is removed.

    Example:
        >>> one_line('<think>A bear?</think>\n"A bear sits\non a beach."')
        'A bear sits on a beach.'
        >>> one_line("A bear sits. It is wear", cut=True)
        'A bear sits.'
    """
    text = _THOUGHTS.sub("", answer).strip()
    fenced = _FENCE.match(text)
    # Control characters and line ends would end the line for some readers and not for others.
    text = "".join(c if c.isprintable() else " " for c in (fenced[1] if fenced else text))
    text = " ".join(text.split())
    for left, right in _QUOTES:
        inner = text[1:-1]
        if len(text) > 2 and text[0] == left and text[-1] == right and right not in inner:
            text = inner.strip()
    return _whole_sentences(text) if cut else text


def _whole_sentences(text: str) -> str:
    ends = [found.end() for found in _END.finditer(text)]
    return text[: ends[-1]] if ends else text
