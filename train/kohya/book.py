"""What a translation has found so far: values of arguments, settings, and a line for each."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from train.kohya.arguments import (
    ARGUMENTS,
    Differs,
    Harmless,
    Maps,
    OfDataset,
    Refused,
    Rule,
    Together,
)
from train.kohya.network_arguments import NETWORK_ARGUMENTS
from train.kohya.report import Line, Outcome
from train.kohya.source import Source
from train.kohya.values import literal, shown, typed


def rule_of(name: str) -> Rule | None:
    """Return the rule for an argument, or for a part of a list of ``name=value``."""
    owner, _, part = name.partition(".")
    if owner == "network_args":
        return NETWORK_ARGUMENTS.get(part)
    if owner in ("optimizer_args", "lr_scheduler_args"):
        return Together()
    return ARGUMENTS.get(name)


@dataclass
class Book:
    """The work in progress of one translation.

    Attributes:
        source: The file.
        values: Its arguments, typed.
        settings: Of ``[train]``.
        defaults: Settings that the file leaves out, and sd-scripts' values of them.
        dataset: Keys of the dataset file.
        lines: One for each argument that was dealt with, by name.
        origins: Which arguments a setting comes from.
    """

    source: Source
    values: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def get(self, name: str, otherwise: Any = None) -> Any:
        """Return the value of an argument."""
        return self.values.get(name, otherwise)

    def setting(self, name: str, value: Any, *origins: str, note: str = "") -> None:
        """Set a setting, because of arguments or of sd-scripts' default.

        Args:
            name: Of the setting.
            value: Of the setting.
            origins: Arguments that say so, as far as they are in the file.
            note: What differs; empty for nothing.
        """
        self.settings[name] = value
        given = [origin for origin in origins if origin in self.values]
        if not given:
            self.defaults[name] = value
        for origin in given:
            self.origins[name] = origin
            told = f"{name} = {shown(value)}"
            before = self.lines.get(origin)
            if before is not None and before.outcome == "maps":
                told = f"{before.text}, {told}"
            if before is None or before.outcome == "maps":
                self.say(origin, "differs" if note else "maps", f"{told}; {note}" if note else told)

    def say(self, name: str, outcome: Outcome, text: str) -> None:
        """Say what became of an argument, if the file has it; a refusal stays."""
        before = self.lines.get(name)
        if name in self.source.arguments and (before is None or before.outcome != "refused"):
            self.lines[name] = Line(name, self._value(name), outcome, text)

    def _value(self, name: str) -> Any:
        rule = rule_of(name)
        secret = isinstance(rule, Harmless) and rule.secret
        return "(not shown)" if secret else self.values.get(name, self.source.arguments[name])

    def read(self) -> None:
        """Type all values, and deal with the arguments that stand for themselves."""
        for name, value in self.source.arguments.items():
            rule = rule_of(name)
            if rule is None:
                self.say(name, "refused", _unknown(name))
                continue
            try:
                self._take(name, value, rule)
            except ValueError as error:
                self.values.pop(name, None)
                self.say(name, "refused", str(error))
        for name, rule in ARGUMENTS.items():
            if isinstance(rule, Maps) and rule.default is not None and name not in self.values:
                self.setting(rule.setting, rule.default)

    def _take(self, name: str, value: Any, rule: Rule) -> None:
        if isinstance(rule, Harmless):
            self.values[name] = value
            self.say(name, "harmless", rule.why)
            return
        found = typed(value, rule.kind)
        if name.startswith(("optimizer_args.", "lr_scheduler_args.")):
            found = literal(str(value))
        self.values[name] = found
        if isinstance(rule, Maps):
            self._map(name, found, rule)
        elif isinstance(rule, OfDataset):
            self.dataset[name] = found
        elif isinstance(rule, Differs | Refused):
            if any(str(found).lower() == str(off).lower() for off in rule.off) or found in rule.off:
                self.say(name, "harmless", "it is off")
            else:
                self.say(name, "differs" if isinstance(rule, Differs) else "refused", rule.why)

    def _map(self, name: str, value: Any, rule: Maps) -> None:
        if rule.setting in ("prediction", "zero_terminal_snr") and value is False:
            # What the file says is measured.
            self.say(name, "harmless", "the base model's file decides")
        else:
            self.setting(rule.setting, rule.values.get(str(value), value), name)

    def finish(self) -> list[Line]:
        """Return the lines in the order of the file."""
        for name in self.source.arguments:
            if name not in self.lines:
                self.say(name, "harmless", "it does nothing beside the other arguments")
        return [self.lines[name] for name in self.source.arguments]


def _unknown(name: str) -> str:
    owner, _, part = name.partition(".")
    known = NETWORK_ARGUMENTS if owner == "network_args" else ARGUMENTS
    near = get_close_matches(part or owner, known, 1, 0.7)
    return "is unknown" + (f" (did you mean {near[0]}?)" if near else "")
