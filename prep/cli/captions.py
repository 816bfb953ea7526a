"""The command line of captions: bulk edits, and the traits to prune."""

from collections.abc import Mapping
from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.changes import Limited, change_line, short
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.editing.options import EditOptions
from prep.language import counted, quantity
from prep.ops import edit as edit_op
from prep.ops import prune as prune_op
from prep.ops.prune import PruneOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)

_TAGS = 8
"""Tags of which a summary tells the counts."""


@examples(
    (
        "shikomi edit my_project --remove 'simple background' --add night --dry-run",
        "Show which captions would lose the one tag and get the other.",
    ),
    (
        "shikomi edit my_project --where hat --replace.hat 'red hat'",
        "Rename a tag in all captions that have it; shikomi undo takes it back.",
    ),
)
def edit(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[EditOptions] = EditOptions(),
    json: Json = False,
) -> int:
    """Change the tags of many captions, or search them.

    Options are applied in the order below, however they are given. The whole edit is one step of
    undo.
    """
    printer = Limited(change_line, options.show)
    return operate(
        project,
        lambda opened: edit_op.run(opened, options),
        json=json,
        printer=printer,
        summary=printer.before(_found_summary if options.find else _edit_summary),
    )


@examples(
    (
        "shikomi prune my_project 10_mychara",
        "Show the tags that most images of this concept share, with advice on each.",
    ),
    (
        "shikomi prune my_project 10_mychara --tag bear --tag 'blue body' --apply",
        "Prune these two tags: the trigger word will stand for them.",
    ),
)
def prune(
    project: ProjectPath = HERE,
    folder: str | None = None,
    /,
    *,
    options: Options[PruneOptions] = PruneOptions(),
    json: Json = False,
) -> int:
    """Find the tags that describe a character itself, and take them out of its captions.

    Args:
        folder: Concept folder, e.g. 10_mychara. Default: all of them.
    """
    headed: list[str] = []
    changes = Limited(change_line, options.show)

    def line(event: events.Event) -> str | None:
        if isinstance(event, events.Trait):
            first = [] if event.concept in headed else [_heading(event.concept)]
            headed.append(event.concept)
            return "\n".join([*first, _trait_line(event)])
        return changes(event)

    return operate(
        project,
        lambda opened: prune_op.run(opened, options, folder),
        json=json,
        printer=line,
        summary=changes.before(lambda found: _prune_summary(found, options)),
    )


def _edit_summary(summary: Mapping[str, Any]) -> str:
    changed, edit_number = summary.get("captions", summary["changed"]), summary["edit"]
    lines = [f"{_captions(changed)} {'changed' if edit_number else 'would change'}"]
    if summary["changed"] == 0:
        lines = ["Nothing to change."]
    elif edit_number:
        lines[0] += f" (edit {edit_number}; take it back with: shikomi undo)"
    for sign, name in (("-", "removed"), ("+", "added")):
        lines += [f"  {sign} {text}" for text in [_counts(summary[name])] if text]
    if summary["created"]:
        lines.append(f"  {_captions(summary['created'])} for images that had none")
    if summary["only_order_or_spelling"]:
        lines.append(f"  {_captions(summary['only_order_or_spelling'])} only in order or spelling")
    if summary["sentences"]:
        lines.append(f"  {_captions(summary['sentences'])} with sentences, which stay in one piece")
    if summary["conflicts"]:
        lines.append(f"  {_captions(summary['conflicts'])} left alone")
    return "\n".join(lines)


def _found_summary(summary: Mapping[str, Any]) -> str:
    counts = _counts(summary["found"])
    images = counted("found in {count} caption", "found in {count} captions", summary["images"])
    return images + (f"\n    {counts}" if counts else "")


def _captions(count: int) -> str:
    return quantity(count, "caption")


def _counts(counts: Mapping[str, int]) -> str:
    parts = [f"{short(tag)} x{count}" for tag, count in list(counts.items())[:_TAGS]]
    more = len(counts) - _TAGS
    return ", ".join(parts) + (f" and {quantity(more, 'other tag')}" if more > 0 else "")


def _heading(concept: str) -> str:
    return f"{concept}\n  {'':2}{'captions':>9}{'seen':>6}  tag"


def _trait_line(event: events.Trait) -> str:
    seen = "-" if event.seen is None else f"{event.seen:.0%}"
    mark = "x" if event.suggested else " "
    text = f"  {mark} {event.captions:>9.0%}{seen:>6}  {event.tag}"
    return f"{text}\n{'':21}{event.advice}"


def _prune_summary(summary: Mapping[str, Any], options: PruneOptions) -> str:
    if "changed" in summary:
        return _edit_summary(summary)
    if not summary["traits"]:
        return f"No tag stands in {options.share:.0%} of the images of a concept."
    suggested = summary["suggested"]
    if not suggested:
        return "Nothing is suggested. Prune what you choose with: --apply --tag TAG"
    lines = [f"{name}: would prune {', '.join(tags)}" for name, tags in suggested.items()]
    return "\n".join([*lines, "Do it with --apply; choose with --tag TAG or --keep TAG."])
