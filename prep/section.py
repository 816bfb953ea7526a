"""Base class of all settings: tables of ``shikomi.toml`` and options of operations."""

from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from prep.printable import printable

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

PARSING = RLock()
"""Held while source text is parsed. Python 3.11 cannot do that in two threads at once: in one of
them it ends with "SystemError: AST constructor recursion depth mismatch", and so does the import
for which the class was made."""


class _ParsedAlone(ModelMetaclass):
    """Makes one class at a time, since pydantic parses its source for the docstrings of fields."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        with PARSING:
            return super().__new__(cls, *args, **kwargs)


class Section(BaseModel, metaclass=_ParsedAlone):
    """Frozen; unknown keys, NaN and infinity are refused.

    The docstring below each field is its documentation.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, values: Any) -> Any:
        """Refuse ``rank = true``, which would become 1."""
        if isinstance(values, dict):
            for name in _numbers_of(cls) & values.keys():
                if isinstance(values[name], bool):
                    raise ValueError(f"{name} must be a number, not {str(values[name]).lower()}")
        return values


@cache
def _numbers_of(section: type[Section]) -> frozenset[str]:
    """Return the fields that hold a number and no truth value."""
    kinds = {name: _kinds(field.annotation) for name, field in section.model_fields.items()}
    return frozenset(n for n, found in kinds.items() if found & {int, float} and bool not in found)


def _kinds(annotation: Any) -> set[Any]:
    return {annotation}.union(*map(_kinds, get_args(annotation)))


def writable(text: str) -> str:
    """Return a tag that may be written into captions.

    Raises:
        ValueError: It holds a character that controls a terminal or the direction of writing, or
            bytes that are no text.
    """
    if (shown := printable(text)) == text:
        return text
    kind = "a control character" if _encodes(text) else "bytes that are not UTF-8"
    raise ValueError(f"{shown} contains {kind}; enter it without")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


TagText = Annotated[str, AfterValidator(writable)]
"""A tag that settings put into captions."""
