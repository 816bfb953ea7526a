"""Finds the texts in source code: those that are marked, and the templates of messages.

A marked text stands in ``_()``, ``marked()`` or a call like these. A message is any prose in a
function or table of ``prep`` and ``train``: what errors, events and lines of the command line are
made of. Values become named gaps: ``f"{len(rows)} images"`` is ``{rows} images``.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from docs.catalogue.po import Text

Piece = tuple[str, bool]
"""A literal, or the name of a gap (True)."""

_MARKS = {"_": 1, "marked": 1, "ngettext": 2, "counted": 2, "english": 2}
"""Functions that mark texts, and how many of their arguments are texts."""
_COUNTS = ("count_of", "quantity")
"""Functions that return a number with the noun that is their second argument."""
_MOST_VARIANTS = 8
"""Texts that one expression may make, by its alternatives; with more, alternatives are gaps."""
_SILENT = {"compile", "execute", "executemany", "executescript", "fullmatch", "match", "search"}
_SILENT |= {
    "sub",
    "getLogger",
    "debug",
    "Parameter",
    "examples",
    "TypeVar",
    "import_module",
    "split",
}
_SILENT |= {"filterwarnings", "TypeError", "AssertionError", "partition", "startswith", "endswith"}
"""Calls whose texts nobody reads."""
_SHORT = {"Progress", "Started", "Stage", "computed_once", "tick"}
"""Calls whose texts are shown even if they are a single word."""
_PROSE = re.compile(
    r"[A-Za-z]+[,;:.)]?['\"]? +[('\"a-z]|[a-z]{3,}[.:]$|\} ?[a-z]{3,}|[a-z]{3,}:? \{"
)
_CODE = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|WITH|ALTER|PRAGMA|FROM|WHERE|AND|ORDER|REPLACE|LEFT)\b"
    r"|\{select\}|:memory:|notnull|NOT NULL|INTEGER|^--\w+ \{\w+\}$"
)
_LINKED = re.compile(r"^([;,.] +|\.\.\. )|[;,] *$")
"""What links a part of a line to the others; the parts are translated one by one."""
_TRANSPARENT = {
    "len",
    "str",
    "repr",
    "int",
    "round",
    "min",
    "max",
    "sum",
    "sorted",
    "abs",
    "printable",
}
"""Functions whose argument gives a gap its name."""


def marked_texts(path: Path, place: str) -> Iterator[Text]:
    """Yield the marked texts of a file, and what its key bindings are called.

    Raises:
        ValueError: A marked text is not a literal, so that nobody could translate it.
    """
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = _called(node)
        if name in _MARKS:
            texts = [_literal(arg) for arg in node.args[: _MARKS[name]]]
            if texts and isinstance(node.args[0], ast.JoinedStr):
                raise ValueError(f"{place}:{node.lineno}: no f-string can be translated")
            if all(texts):
                yield Text(texts[0], "".join(texts[1:]), "interface", (place,))
        elif name in _COUNTS and len(node.args) > 1 and (noun := _literal(node.args[1])):
            yield Text(f"{{count}} {noun}", f"{{count}} {_nouns(node)}", "interface", (place,))
        elif name == "Finished" and node.args and isinstance(node.args[0], ast.Dict):
            for key in node.args[0].keys:
                if key is not None and (word := _literal(key)):
                    yield Text(word.replace("_", " "), "", "label", (place,))
        elif name == "Binding" and len(node.args) > 2 and (title := _literal(node.args[2])):
            yield Text(title, "", "interface", (place,))


def _literal(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _nouns(node: ast.Call) -> str:
    """Return the plural of what a call counts; empty if it is not written there."""
    noun, plural = _literal(node.args[1]), _literal(node.args[2]) if len(node.args) > 2 else ""
    return plural or (noun and f"{noun}s")


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def messages(path: Path, place: str) -> Iterator[Text]:
    """Yield the templates of a file's messages."""
    finder = _Finder()
    finder.visit(ast.parse(path.read_text("utf-8")))
    for english in dict.fromkeys(finder.found):
        yield Text(english, "", "message", (place,))


class _Finder(ast.NodeVisitor):
    """Collects prose, as templates."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._short = False

    def visit_Call(self, node: ast.Call) -> None:
        name = _called(node)
        if name in _SILENT or name in _MARKS or name in (*_COUNTS, "Binding"):
            return
        outer, self._short = self._short, name in _SHORT
        self.generic_visit(node)
        self._short = outer

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """Texts that are compared are not shown."""

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._take(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._take(node)
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                self.visit(value.value)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Add) and any(map(_is_text, (node.left, node.right))):
            self._take(node)
        else:
            self.generic_visit(node)

    def _take(self, node: ast.expr) -> None:
        for pieces in _variants(node):
            text = template(pieces)
            if not _CODE.search(text):
                for line in text.split("\n"):
                    self._take_line(_LINKED.sub("", line.strip()).strip())

    def _take_line(self, text: str) -> None:
        shown = re.sub(r"\{\w+\}", "{}", text)
        said = _PROSE.search(text) or (self._short and re.fullmatch(r"[a-z][a-z ]+", shown))
        if said and re.search(r"[A-Za-z]{2}", shown):
            self.found.append(text)


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or bool(_literal(node))


def _variants(node: ast.expr) -> list[list[Piece]]:
    """Return what an expression may say, as literals and gaps."""
    if isinstance(node, ast.Constant):
        return [[(node.value, False)]] if isinstance(node.value, str) else [[]]
    if isinstance(node, ast.JoinedStr):
        parts = [
            _variants(part.value) if isinstance(part, ast.FormattedValue) else _variants(part)
            for part in node.values
        ]
        return _product(parts, node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _is_text(node):
        return _product([_variants(node.left), _variants(node.right)], [node.left, node.right])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _literal(node.left):
        return [[], _variants(node.left)[0]]  # "s" * (count != 1)
    if isinstance(node, ast.IfExp) and (_is_text(node.body) or _is_text(node.orelse)):
        return [*_variants(node.body), *_variants(node.orelse)]
    return [[(_name(node), True)]]


def _product(parts: Sequence[list[list[Piece]]], nodes: Sequence[ast.expr]) -> list[list[Piece]]:
    """Return all combinations; where there are too many, alternatives become gaps."""
    total = 1
    for number, part in enumerate(parts):
        total *= len(part)
        if total > _MOST_VARIANTS:
            gap = [[(_name(nodes[number]), True)]]
            return _product([*parts[:number], gap, *parts[number + 1 :]], nodes)
    return [[piece for part in chosen for piece in part] for chosen in product(*parts)]


def _name(node: ast.expr) -> str:
    """Return what a gap is called: by its variable, attribute or function."""
    found = "value"
    match node:
        case ast.FormattedValue(value=inner) | ast.Starred(value=inner):
            return _name(inner)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            found = name
        case ast.Subscript(value=inner) | ast.BinOp(left=inner) | ast.UnaryOp(operand=inner):
            return _name(inner)
        case ast.IfExp(body=inner):
            return _name(inner) if not isinstance(inner, ast.Constant) else _name(node.orelse)
        case ast.BoolOp(values=[inner, *_]):
            return _name(inner)
        case ast.Call(args=[inner, *_]) if _called(node) in (*_TRANSPARENT, "join"):
            return _name(inner)
        case ast.Call(args=[_, _, *_]) if _called(node) in _COUNTS and _nouns(node):
            return re.sub(r"\W", "_", _nouns(node))
        case ast.Call(func=ast.Attribute(value=inner, attr=name)):
            found = name if not isinstance(inner, ast.Name) else f"{inner.id}_{name}"
        case ast.Call():
            found = _called(node)
        case ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner):
            return _name(inner)
    return re.sub(r"\W", "", found).strip("_").lower() or "value"


def template(pieces: Sequence[Piece]) -> str:
    """Return a text with its gaps; neighbouring gaps are one, since nothing separates them.

    Example:
        >>> template([("a ", False), ("name", True), ("s", True), (" of ", False), ("name", True)])
        'a {name} of {name2}'
    """
    if not any(gap for _, gap in pieces):
        return "".join(text for text, _ in pieces)
    result, names, after_gap = "", list[str](), False
    for text, gap in pieces:
        if not gap:
            result += text.replace("{", "{{").replace("}", "}}")
            after_gap = after_gap and not text
        elif not after_gap:
            count = names.count(text) + 1
            result += f"{{{text}{count if count > 1 else ''}}}"
            names.append(text)
            after_gap = True
    return result
