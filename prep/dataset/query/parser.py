"""Tokens of a filter -> its tree. ``or`` binds weakest, then ``and``, then ``not`` and minus.

Adjacent terms must all hold, as with ``and``.
"""

from prep.dataset.query.lexer import FilterToken, Lexer
from prep.dataset.query.tree import And, Node, Not, Or, fault

_DEEPEST = 50


class Parser:
    """Reads one filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = Lexer(text).tokens()
        self._next = 0
        self._depth = 0

    def tree(self) -> Node | None:
        """Return the tree, or ``None`` for an empty filter.

        Raises:
            ConfigError: The filter is not valid; shows the place.
        """
        return self._either() if self._tokens else None

    def _peek(self) -> FilterToken | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, *kinds: str) -> FilterToken | None:
        token = self._peek()
        if token is None or token.kind not in kinds:
            return None
        self._next += 1
        return token

    def _either(self) -> Node:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Node:
        parts = [self._one()]
        while True:
            token = self._peek()
            if token is None or token.kind in ("or", ")"):
                break
            self._take("and")
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Node:
        negated = False
        while self._take("not", "-"):
            negated = not negated
        part = self._part()
        return Not(part) if negated else part

    def _part(self) -> Node:
        token = self._peek()
        if token is None:
            raise fault(self._text, len(self._text.rstrip()), "something is missing at the end")
        if token.kind == "term" and token.term is not None:
            self._next += 1
            return token.term
        if self._take("("):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise fault(self._text, token.position, "the brackets are nested too deeply")
            inner = self._either()
            self._take(")")
            self._depth -= 1
            return inner
        if token.kind == ")":
            raise fault(self._text, token.position, "something is missing before the bracket")
        hint = f'For the tag itself write tag:"{token.kind}".'
        raise fault(self._text, token.position, f"something is missing before {token.kind!r}", hint)
