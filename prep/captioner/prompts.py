"""Prompt templates: plain text with a few placeholders."""

import re
from collections.abc import Mapping
from difflib import get_close_matches

from prep.errors import ConfigError

FIELDS = ("tags", "trigger", "concept", "name")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


def check(template: str) -> None:
    """Complain about placeholders that do not exist.

    Raises:
        ConfigError: Names the first of them, and the nearest that exists.
    """
    if not template.strip():
        raise ConfigError("The prompt is empty.", "Give one, or leave the option away.")
    for name in _PLACEHOLDER.findall(template):
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, 1)
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            hint = f"Did you mean {{{near[0]}}}? " if near else ""
            raise ConfigError(f"The prompt has an unknown {{{name}}}.", f"{hint}There are {known}.")


def fill(template: str, values: Mapping[str, str]) -> str:
    r"""Return the prompt for one image.

    A line that has placeholders, all of them empty, is left out.

    Example:
        >>> fill("Describe.\nTags: {tags}\nIt is {trigger}.", {"tags": "a, b", "trigger": ""})
        'Describe.\nTags: a, b'
    """
    lines = []
    for line in template.splitlines():
        names = _PLACEHOLDER.findall(line)
        if names and not any(values.get(name) for name in names):
            continue
        lines.append(_PLACEHOLDER.sub(lambda found: values.get(found[1], ""), line))
    return "\n".join(lines).strip()
