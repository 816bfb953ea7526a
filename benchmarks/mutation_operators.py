"""Small faults to plant into Python source, one at a time.

Left alone: annotations, decorators, ``strict=`` of ``zip`` (a check of our own, which right code
never trips) and strings that nothing is compared with, such as messages.
"""

import ast
import copy
import marshal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

_WIDTH = 88
"""Characters of the code around a change that are shown."""
_NOT_RUN = {"annotation", "returns", "decorator_list", "type_params"}
_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Break: ast.Continue,
    ast.Continue: ast.Break,
}


@dataclass(frozen=True)
class Mutant:
    """A module with one fault.

    Attributes:
        line: Where it is, from 1.
        function: Qualified name of the function it is in; empty outside of functions.
        before: The code around it.
        after: The same code with the fault; told apart by ``(2)`` where that occurs again.
        code: The compiled module, as ``marshal`` writes it.
    """

    line: int
    function: str
    before: str
    after: str
    code: bytes


def swapped(node: ast.AST) -> Iterator[ast.AST]:
    """Exchange an operator, ``break`` or ``continue``."""
    if type(node) in _SWAPS:
        yield _SWAPS[type(node)]()


def not_removed(node: ast.AST) -> Iterator[ast.AST]:
    """Turn ``not x`` into ``x``."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand


def constant_changed(node: ast.AST) -> Iterator[ast.AST]:
    """Flip truth values, take integers one up and one down, double other numbers."""
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            yield ast.Constant(not value)
        elif isinstance(value, int):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        elif isinstance(value, float):
            yield ast.Constant(value * 2 or 1.0)


def index_changed(node: ast.AST) -> Iterator[ast.AST]:
    """Take another place of a sequence: the second one for the first, else the one before."""
    if isinstance(node, ast.Subscript):
        number = _index(node)
        if number is not None:
            yield ast.Subscript(node.value, ast.Constant(number - 1 if number else 1), node.ctx)


def compared_text_changed(node: ast.AST) -> Iterator[ast.AST]:
    """Compare with another string."""
    if isinstance(node, ast.Compare):
        for number, part in enumerate(ast.walk(node)):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                changed = copy.deepcopy(node)
                found = list(ast.walk(changed))[number]
                assert isinstance(found, ast.Constant)
                found.value = f"{part.value}?"
                yield changed


def nothing_returned(node: ast.AST) -> Iterator[ast.AST]:
    """Return ``None`` instead of a value; truth values are flipped already."""
    kept = ("return", "return None", "return True", "return False")
    if isinstance(node, ast.Return) and ast.unparse(node) not in kept:
        yield ast.Return(ast.Constant(None))


def deleted(node: ast.AST) -> Iterator[ast.AST]:
    """Leave out a call whose value nobody uses, or an assignment such as ``+=``."""
    if isinstance(node, ast.AugAssign) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield ast.Pass()


OPERATORS: tuple[Callable[[ast.AST], Iterator[ast.AST]], ...] = (
    swapped,
    not_removed,
    constant_changed,
    index_changed,
    compared_text_changed,
    nothing_returned,
    deleted,
)


@dataclass(frozen=True)
class _Place:
    """Where a node hangs in the tree; ``above`` are its ancestors, the nearest last."""

    node: ast.AST
    field: str
    index: int | None
    above: tuple[ast.AST, ...]

    def put(self, node: ast.AST) -> None:
        held = getattr(self.above[-1], self.field)
        if self.index is None:
            setattr(self.above[-1], self.field, node)
        else:
            held[self.index] = node

    @property
    def function(self) -> str:
        name, inside = "", False
        for node in self.above:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name += (".<locals>." if inside else ".") + node.name
                inside = not isinstance(node, ast.ClassDef)
        in_function = any(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in self.above)
        return name[1:] if in_function else ""

    @property
    def line(self) -> int:
        return int(next(n.lineno for n in (self.node, *self.above[::-1]) if hasattr(n, "lineno")))


def unchanged(source: str, file: str) -> Mutant:
    """Return a module without any fault."""
    return Mutant(0, "", "", "", marshal.dumps(compile(source, file, "exec")))


def mutants(source: str, file: str) -> list[Mutant]:
    """Return a module with each fault that the operators can plant, in the order of lines."""
    tree = ast.parse(source, file)
    found: list[Mutant] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    for place in list(_places(tree, (tree,))):
        for operator in OPERATORS:
            for new in list(operator(place.node)):
                made = _planted(tree, place, new, file)
                key = made.function, made.before, made.after
                seen[key] += 1
                again = f" ({seen[key]})" if seen[key] > 1 else ""
                found.append(replace(made, after=made.after + again))
    return sorted(found, key=lambda mutant: mutant.line)


def _index(node: ast.AST) -> int | None:
    """Return the 1 of ``x[1]``: both neighbours of that number would be one fault too many."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        number = node.slice.value
        return number if isinstance(number, int) else None
    return None


def _places(node: ast.AST, above: tuple[ast.AST, ...]) -> Iterator[_Place]:
    for field, value in ast.iter_fields(node):
        is_strict = isinstance(node, ast.keyword) and node.arg == "strict"
        if field in _NOT_RUN or is_strict or (field == "slice" and _index(node) is not None):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST):
                yield _Place(child, field, index if isinstance(value, list) else None, above)
                yield from _places(child, (*above, child))


def _planted(tree: ast.Module, place: _Place, new: ast.AST, file: str) -> Mutant:
    """Plant a fault, compile, and take it out again."""
    if not hasattr(new, "lineno"):
        place_of = next(
            node for node in (place.node, *place.above[::-1]) if hasattr(node, "lineno")
        )
        ast.fix_missing_locations(ast.copy_location(new, place_of))
    shown = place.node
    for outer in reversed(place.above[1:]):
        if isinstance(outer, ast.expr | ast.stmt | ast.comprehension | ast.keyword):
            text = ast.unparse(outer)
            if "\n" in text or len(text) > _WIDTH:
                break
            shown = outer
    before = _text(shown)
    place.put(new)
    after = _text(new if shown is place.node else shown)
    code = marshal.dumps(compile(tree, file, "exec"))
    place.put(place.node)
    return Mutant(place.line, place.function, before, after, code)


def _text(node: ast.AST) -> str:
    return ast.unparse(node) or type(node).__name__
