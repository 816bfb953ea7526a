"""Text of a filter -> tokens; tells brackets that group from those in words and emoticons.

Tags may contain brackets: ``poster_(object)`` and ``:)`` are words, ``(smile or grin)`` is a group.
A bracket opens a group only where a word could begin; inside a word it belongs to the word if
it is closed there.
"""

import re
from dataclasses import dataclass

from prep import captions
from prep.dataset.query import fields
from prep.dataset.query.tree import Term, fault
from prep.regexes import Expression, PatternError

_CHUNK = re.compile(r"\S+")
_FACE = re.compile(r"[>]?[:;=][-'^]?[()](?=[\s)]|$)")
_NAMED = re.compile(r"([a-z]+)(:|>=|<=|!=|=|>|<)")
_RELATION = re.compile(r">=|<=|!=|=|>|<")
_WORDS = {"and": "and", "or": "or", "not": "not"}


@dataclass(frozen=True)
class FilterToken:
    """A piece of the filter; ``kind`` is a bracket, ``-``, ``and``, ``or``, ``not`` or ``term``."""

    kind: str
    position: int
    term: Term | None = None


class Lexer:
    """Reads one filter from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[int] = []

    def tokens(self) -> list[FilterToken]:
        """Return all tokens.

        Raises:
            ConfigError: The filter is not valid; shows the place.
        """
        found = []
        while (start := self._skip_spaces()) < len(self._text):
            found.append(self._token(start))
        if self._open:
            raise fault(self._text, self._open[-1], "this bracket is not closed")
        return found

    def _skip_spaces(self) -> int:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at

    def _token(self, start: int) -> FilterToken:
        sign = self._text[start]
        if self._is_face(start):
            return self._term(start)
        if sign == "(":
            self._open.append(start)
            self._at += 1
            return FilterToken("(", start)
        if sign == ")":
            if not self._open:
                raise fault(self._text, start, "this closing bracket has no opening bracket")
            self._open.pop()
            self._at += 1
            return FilterToken(")", start)
        if sign == "-":
            self._at += 1
            if self._at == len(self._text) or self._text[self._at].isspace():
                raise fault(self._text, start, "nothing follows the minus")
            return FilterToken("-", start)
        return self._term(start)

    def _is_face(self, start: int) -> bool:
        """Return whether an emoticon tag that begins with a bracket or a minus starts here."""
        if _FACE.match(self._text, start):
            return True
        found = _CHUNK.match(self._text, start)
        if found is None:
            return False
        chunk = found[0]
        if chunk.startswith("-"):  # -_- is a face, but ->_< excludes one
            chunk = chunk.rstrip(")")
            return captions.is_face(chunk) and not captions.is_face(chunk[1:])
        return chunk.startswith("(") and captions.is_face(chunk.rstrip(")") + ")")

    def _term(self, start: int) -> FilterToken:
        if self._text[start] == '"':
            phrase = self._quoted()
            if not phrase.strip():
                raise fault(self._text, start, "there is nothing between the quotation marks")
            return FilterToken("term", start, Term("phrase", phrase, "=", True, start))
        if self._text[start] == "/":
            return FilterToken("term", start, Term("regex", self._expression(), "=", True, start))
        named = self._named(start)
        if named is not None:
            return FilterToken("term", start, named)
        word = self._word()
        kind = _WORDS.get(word.lower())
        if kind is not None:
            return FilterToken(kind, start)
        if word in fields.FLAGS:
            return FilterToken("term", start, Term(word, "yes", "=", False, start))
        return FilterToken("term", start, Term("", word, "=", False, start))

    def _named(self, start: int) -> Term | None:
        """Read ``field:value`` or ``field>=value``; ``None`` if it is a tag of that form."""
        match = _NAMED.match(self._text, start)
        if match is None:
            return None
        name, sign = fields.known(match[1]), match[2]
        if name is None:
            # Tags may contain a colon (":d", "re:zero"): only near misses of a field are faults.
            near = fields.nearest(match[1])
            compared = sign != ":" and self._text[match.end() : match.end() + 1].isdigit()
            if near is None and not compared:
                return None
            hint = f"Did you mean {near}?" if near else "Fields: " + ", ".join(fields.FIELDS)
            raise fault(self._text, start, f"there is no field {match[1]!r}", hint)
        self._at = match.end()
        relation = "=" if sign == ":" else sign
        if name == "score":
            return self._score(start, sign)
        value, literal = self._value()
        return self._checked(Term(name, value, relation, literal, start))

    def _score(self, start: int, sign: str) -> Term:
        """Read the rest of ``score:smile>0.6``; the tag may be quoted."""
        usage = "write it like this: score:smile>0.6"
        if sign != ":":
            raise fault(self._text, start, usage)
        if self._text[self._at : self._at + 1] == '"':
            tag = self._quoted(closed=False)
            match = _RELATION.match(self._text, self._at)
        else:
            end = self._end_of_word(self._at)
            # Tags may contain such a sign (">_<"): the last one counts.
            matches = list(_RELATION.finditer(self._text, self._at + 1, end))
            match = matches[-1] if matches else None
            tag = self._text[self._at : match.start()] if match else ""
        if match is None or not tag:
            raise fault(self._text, start, usage)
        self._at = match.end()
        return self._checked(Term("score", self._word(), match[0], False, start, tag))

    def _checked(self, term: Term) -> Term:
        wrong = fields.complaint(term)
        if wrong:
            raise fault(self._text, term.position, wrong)
        return term

    def _value(self) -> tuple[str, bool]:
        """Return the value behind the operator of a field, and whether it is quoted."""
        if self._text[self._at : self._at + 1] == '"':
            return self._quoted(), True
        return self._word(), False

    def _quoted(self, *, closed: bool = True) -> str:
        """Return the text between quotation marks; ``closed`` requires a space behind it."""
        start = self._at
        end = self._text.find('"', start + 1)
        if end < 0:
            raise fault(self._text, start, "the closing quotation mark is missing")
        self._at = end + 1
        if closed and self._at < len(self._text) and not self._ends(self._at):
            raise fault(self._text, self._at, "a space is missing after the quotation mark")
        return self._text[start + 1 : end]

    def _expression(self) -> str:
        """Return a regular expression between slashes; a slash inside is escaped by a backslash."""
        start = self._at
        end = start + 1
        while end < len(self._text) and not (self._text[end] == "/" and self._ends(end + 1)):
            end += 2 if self._text[end] == "\\" else 1
        if end >= len(self._text):
            raise fault(self._text, start, "the regular expression is not closed by a slash")
        self._at = end + 1
        pattern = self._text[start + 1 : end].replace("\\/", "/")
        try:
            Expression(pattern)
        except PatternError as error:
            place = start + 1 + (error.position or 0)
            raise fault(self._text, place, f"this regular expression is wrong: {error}") from error
        return pattern

    def _ends(self, place: int) -> bool:
        """Return whether a term may end before this position."""
        if place >= len(self._text) or self._text[place].isspace():
            return True
        return self._text[place] == ")" and bool(self._open)

    def _word(self) -> str:
        start = self._at
        face = _FACE.match(self._text, start)
        self._at = face.end() if face else self._end_of_word(start)
        return self._text[start : self._at]

    def _end_of_word(self, start: int) -> int:
        depth, place = 0, start
        while place < len(self._text) and not self._text[place].isspace():
            sign = self._text[place]
            if sign == ")" and depth == 0 and self._open:
                break
            depth += (sign == "(") - (sign == ")" and depth > 0)
            place += 1
        return place
