"""Values of arguments: typed, whatever the file had them as (TOML, JSON or text)."""

import ast
from typing import Any, Literal

Kind = Literal["text", "number", "whole", "switch", "size", "numbers"]
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NAMES = {
    "number": "a number",
    "whole": "a whole number",
    "switch": "true or false",
    "size": "a size, such as 512 or 512,768",
    "numbers": "a number, or several",
}


def typed(value: Any, kind: Kind) -> Any:
    """Return a value as what it is meant to be; forms and command lines give texts.

    Raises:
        ValueError: It is something else; the message goes on after ``NAME = VALUE``.

    Example:
        >>> typed("1e-4", "number"), typed("1.0", "whole"), typed("512", "size")
        (0.0001, 1, [512, 512])
    """
    try:
        return _READERS[kind](value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"is not {_NAMES[kind]}") from error


def literal(text: str) -> Any:
    """Return the value of ``name=value`` as sd-scripts reads it: a literal of Python, or a text.

    Example:
        >>> literal("0.9,0.99"), literal("True"), literal("full")
        ((0.9, 0.99), True, 'full')
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text


def shown(value: Any) -> str:
    """Return a value as people write it, on one short line."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    return float(value)


def _whole(value: Any) -> int:
    found = _number(value)
    if found != int(found):
        raise ValueError(value)
    return int(found)


def _switch(value: Any) -> bool:
    if isinstance(value, str):
        if value.lower() not in _WORDS:
            raise ValueError(value)
        return _WORDS[value.lower()]
    if value in (0, 1):
        return bool(value)
    raise ValueError(value)


def _size(value: Any) -> list[int]:
    parts = value.split(",") if isinstance(value, str) else value
    found = [_whole(part) for part in (parts if isinstance(parts, list | tuple) else [parts])]
    if len(found) not in (1, 2):
        raise ValueError(value)
    return found * (3 - len(found))


def _numbers(value: Any) -> list[float]:
    return [_number(part) for part in (value if isinstance(value, list | tuple) else [value])]


def _text(value: Any) -> str:
    return str(value)


_READERS = {
    "text": _text,
    "number": _number,
    "whole": _whole,
    "switch": _switch,
    "size": _size,
    "numbers": _numbers,
}
