"""What is wrong with settings, in words: of ``shikomi.toml``, of a form, of a command line."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ValidationError

from prep.texts import half_width

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def describe_faults(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return a clause for each fault of a validation, with the nearest known key.

    Args:
        error: The error from pydantic.
        model: The model it was found in; its field names are the known keys.
    """
    faults = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = _known_keys(model, fault["loc"][:-1])
            near = get_close_matches(str(fault["loc"][-1]), known, 1, 0.5)
            clause = f"unknown key {place}" + (
                f" (did you mean {near[0]}?)" if near else f" (known: {', '.join(known)})"
            )
        else:
            clause = f"{place}: {fault_of(fault)}"
        faults.append(clause)
    return faults


def fault_of(fault: "ErrorDetails") -> str:
    """Return the message of one fault of a validation, without its place."""
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":  # one of ours, already complete
        return message
    value, limits = fault["input"], fault.get("ctx", {})
    if isinstance(value, str) and (narrow := half_width(value)) != value:
        return f"must be in half-width digits: {narrow}"
    match fault["type"]:
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return f"must be a whole number, not {value!r}"
        case "float_parsing" | "float_type" | "finite_number":
            return f"must be a number, not {value!r}"
        case "bool_parsing" | "bool_type":
            return f"must be true or false, not {value!r}"
        case "greater_than_equal":
            return f"must be at least {limits['ge']}, not {value!r}"
        case "greater_than":
            return f"must be above {limits['gt']}, not {value!r}"
        case "less_than_equal":
            return f"must be at most {limits['le']}, not {value!r}"
        case "less_than":
            return f"must be below {limits['lt']}, not {value!r}"
        case "literal_error":
            known = limits["expected"].replace(" or ", ", ")
            return f"must be one of {known}, not {value!r}"
        case "missing":
            return "is missing"
    return f"{message[0].lower()}{message[1:]}, not {value!r}"


def _known_keys(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the table at ``place`` inside ``model``."""
    for part in place:
        field = model.model_fields.get(str(part))
        if field is None:
            continue  # the name of a concept, whose table follows
        candidates = (field.annotation, *get_args(field.annotation))
        found = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if found:
            model = found[0]
    return list(model.model_fields)
