"""What the plan says in words: steps, time, memory, findings."""

from collections.abc import Mapping, Sequence
from typing import Any

from prep import captions, events
from prep.errors import ConfigError
from prep.language import _, ngettext, translated
from prep.project import Concept
from prep.training_set.plan import Plan
from tui.widgets.concept_table import ConceptLine, FieldName
from tui.widgets.line_list import Piece

_SEVERITY: Mapping[str, Piece] = {
    "error": ("× ", "bad"),
    "warning": ("! ", "warn"),
    "info": ("· ", "dim"),
}


def texts_of(concept: Concept) -> dict[FieldName, str]:
    """Return what can be typed about a concept, as it is saved."""
    return {
        "trigger": concept.settings.trigger,
        "repeats": str(concept.repeats),
        "prune": ", ".join(concept.settings.prune),
    }


def value_of(field: FieldName, text: str) -> Any:
    """Return the setting that a text stands for; ``None`` removes it.

    Raises:
        ConfigError: The repeats are not a number, or the trigger is more than one tag.
    """
    text = text.strip()
    if field == "prune":
        return captions.split(text) or None
    if field == "repeats":
        if text and not (text.isdecimal() and int(text)):
            raise ConfigError(
                _("Repeats: {text} is not a whole number from 1 on.").format(text=text),
                _("Enter a number such as 10, or leave it empty for that of the folder's name."),
            )
        return int(text) if text else None
    if len(captions.split(text)) > 1:
        raise ConfigError(
            _("Trigger word: {text} is {count} tags.").format(
                text=text, count=len(captions.split(text))
            ),
            _("Enter one word without a comma; the other tags belong into the captions."),
        )
    return text or None


def help_of(field: FieldName) -> str:
    """Explain a cell."""
    return {
        "trigger": _("Comes first in every caption; a word that the base model does not know."),
        "repeats": _(
            "How often each image is shown per epoch; empty: the number in the folder's name."
            " → is what would balance the concepts: b takes it over."
        ),
        "prune": _(
            "Tags of the concept itself, left out of captions so that the trigger word absorbs"
            " them."
        ),
    }[field]


def lines_of(
    concepts: Sequence[Concept],
    typed: Mapping[tuple[str, FieldName], str],
    plan: Plan | None,
    even: Mapping[str, int],
) -> list[ConceptLine]:
    """Return the lines of the table."""
    planned = {} if plan is None else {each.folder: each for each in plan.concepts}
    share = 0.0 if plan is None or not plan.steps_per_epoch else plan.steps / plan.steps_per_epoch
    found = []
    for concept in concepts:
        texts = texts_of(concept)
        texts |= {
            field: text for (folder, field), text in typed.items() if folder == concept.folder
        }
        each = planned.get(concept.folder)
        line = ConceptLine(concept.folder, texts, regularization=concept.settings.regularization)
        if each is not None:
            trained = each.images - each.held_out
            times = each.exposures / trained * share if trained else 0.0
            proposed = even.get(concept.folder, each.repeats)
            line = ConceptLine(
                concept.folder,
                texts,
                each.images,
                each.held_out,
                each.exposures,
                times,
                proposed if proposed != each.repeats else 0,
                concept.settings.regularization,
            )
        found.append(line)
    return found


def sums(plan: Plan, rate: float | None) -> str:
    """Say what the run will be."""
    steps = ngettext("{count} step", "{count} steps", plan.steps).format(count=f"{plan.steps:,}")
    epochs = ngettext("{count} epoch", "{count} epochs", plan.epochs).format(count=plan.epochs)
    if rate:
        time = _("about {time} at {rate:.3g} steps/s, as in the last run").format(
            time=rough_duration(plan.steps / rate), rate=rate
        )
    else:
        time = _("no run yet to tell the time from")
    return f"{steps} · {epochs} · {time}"


def rough_duration(seconds: float) -> str:
    """Return the duration of work that is only estimated, to the minute.

    Example:
        >>> rough_duration(42), rough_duration(700), rough_duration(7800)
        ('42 s', '12 min', '2 h 10 min')
    """
    if seconds < 90:
        return _("{seconds:.0f} s").format(seconds=seconds)
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("{minutes} min").format(minutes=minutes)
    return _("{hours} h {minutes:02} min").format(hours=minutes // 60, minutes=minutes % 60)


def memory_words(found: Mapping[str, Any]) -> str:
    """Say whether a run fits into the card, and if not, what makes it fit."""
    needed, room = _gib(found["needed"]), _gib(found["room"])
    if found["fits"]:
        return _("✓ fits: needs {needed} of {room}").format(needed=needed, room=room)
    text = _("× does not fit: needs {needed}, there are {room}").format(needed=needed, room=room)
    if not found["changes"]:
        return text + "\n" + _("No setting makes it fit: lower the resolution.")
    changes = ", ".join(f"{name} = {str(to).lower()}" for name, to in found["changes"].items())
    least = _("fits ({needed}) with {changes}").format(
        needed=_gib(found["changed"]), changes=changes
    )
    return f"{text}\n{least}"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def grouped(findings: Sequence[events.Finding]) -> dict[str, list[events.Finding]]:
    """Return findings by their code, in the order of the check: most severe first."""
    found: dict[str, list[events.Finding]] = {}
    for each in findings:
        found.setdefault(each.code, []).append(each)
    return found


def finding_line(found: Sequence[events.Finding]) -> list[Piece]:
    """Return findings of one kind as a line."""
    first = found[0]
    fix: Piece = (_("  f fixes"), "good") if any(each.fixable for each in found) else ("", "")
    return [
        _SEVERITY[first.severity],
        (f"{len(found):>5}  ", ""),
        (translated(first.title), ""),
        fix,
    ]


def finding_text(found: Sequence[events.Finding]) -> str:
    """Explain findings of one kind."""
    first = found[0]
    where = first.path if len(found) == 1 else f"{first.path}, …"
    parts = (where, first.message, first.consequence, first.fix)
    return "\n".join(translated(part) for part in parts if part)
