"""Prompt templates: plain text with a few placeholders."""

import re
from collections.abc import Mapping
from difflib import get_close_matches

from prep.errors import ConfigError

FIELDS = ("tags", "trigger", "concept", "name")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


def check(template: str) -> None:
    """Check that all placeholders exist.

    Raises:
        ConfigError: A placeholder does not exist; names the nearest known one.
    """
    if not template.strip():
        raise ConfigError("The prompt is empty.", "Give a prompt, or omit the option.")
    for name in _PLACEHOLDER.findall(template):
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, 1)
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            hint = f"Did you mean {{{near[0]}}}? " if near else ""
            raise ConfigError(
                f"The prompt has an unknown placeholder {{{name}}}.", f"{hint}Known: {known}."
            )


def fill(template: str, values: Mapping[str, str]) -> str:
    r"""Return the prompt for one image.

    A line whose placeholders are all empty is left out.

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
