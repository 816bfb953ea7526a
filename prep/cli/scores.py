"""The command line of stored scores: what they are, what they would mean, and where they doubt."""

from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.changes import change_line
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.language import _, english, marked, quantity
from prep.language.wrapping import padded
from prep.ops import compare as compare_op
from prep.ops import doubt as doubt_op
from prep.ops import thresholds as thresholds_op
from prep.ops.compare import CompareOptions
from prep.ops.doubt import DoubtOptions
from prep.ops.thresholds import ThresholdOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)

_WHY = {
    "missing": marked("seen, but not in the caption"),
    "unseen": marked("in the caption, but hardly seen"),
    "near": marked("a close call"),
}
_COUNTED = {
    "missing": marked("{count} seen, but not in the caption"),
    "unseen": marked("{count} in the caption, but hardly seen"),
    "near": marked("{count} close to the threshold"),
}
"""Numbers of doubts, by their reason."""


@examples(
    ("shikomi scores list my_project", "List the taggers whose scores are stored."),
    ("shikomi scores list my_project --json", "The same for scripts."),
)
def scores_list(project: ProjectPath = HERE, /, *, json: Json = False) -> int:
    """List the taggers whose scores are stored, the most recently used first."""
    return operate(
        project,
        compare_op.listed,
        json=json,
        rescan=False,
        printer=_tagger_line,
        summary=lambda found: (
            "" if found["taggers"] else "No image has been tagged yet. Run: shikomi tag"
        ),
    )


@examples(
    (
        "shikomi scores thresholds my_project --general 0.5",
        "Count which tags a threshold of 0.5 would add and remove.",
    ),
    (
        "shikomi scores thresholds my_project --sweep",
        "Count the tags per image for a range of thresholds.",
    ),
)
def scores_thresholds(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[ThresholdOptions] = ThresholdOptions(),
    json: Json = False,
) -> int:
    """Count what other thresholds would change, compared with those of shikomi.toml.

    Calculated from stored scores: no tagger runs, and no caption is changed.
    """
    return operate(
        project,
        lambda opened: thresholds_op.run(opened, options),
        json=json,
        printer=_threshold_line,
        summary=_threshold_summary,
    )


@examples(
    (
        "shikomi scores compare my_project --model wd-vit-tagger-v3 --also joytag",
        "Compare two taggers that have both tagged the project.",
    ),
    (
        "shikomi scores compare my_project --also joytag --sort agreement --images 0",
        "Compare the project's tagger with another; tags only, the most agreed on first.",
    ),
)
def scores_compare(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[CompareOptions] = CompareOptions(),
    json: Json = False,
) -> int:
    """Compare two taggers by their stored scores: tags and images on which they disagree."""
    return operate(
        project,
        lambda opened: compare_op.run(opened, options),
        json=json,
        printer=_agreement_line,
        summary=_agreement_summary,
    )


@examples(
    (
        "shikomi doubt my_project --reason missing --limit 20",
        "Show 20 tags with high scores that captions lack, the most doubtful first.",
    ),
    (
        "shikomi doubt my_project --where name:sticker --yes hat --no smile",
        "Answer for the images that match: there is a hat, and nobody smiles.",
    ),
)
def doubt(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[DoubtOptions] = DoubtOptions(),
    json: Json = False,
) -> int:
    """Review tags on which captions and tagger disagree, the most doubtful first.

    Answers change the captions, and are remembered when images are tagged again.
    """
    answers = options.accept or options.reject or options.yes or options.no
    return operate(
        project,
        lambda opened: doubt_op.run(opened, options),
        json=json,
        printer=_doubt_line,
        summary=lambda found: _answer_summary(found, options) if answers else _doubt_summary(found),
    )


def _tagger_line(event: events.Event) -> str | None:
    if not isinstance(event, events.StoredScores):
        return None
    advice = "recommends none"
    if event.general is not None:
        advice = f"recommends {event.general:g}"
        if event.character is not None and event.character != event.general:
            advice += f", characters {event.character:g}"
    return (
        f"{event.name}  {quantity(event.images, 'different image')}, {quantity(event.tags, 'tag')},"
        f" {event.bytes / 1e3:,.0f} kB, {advice}  [{event.key}]"
    )


def _threshold_line(event: events.Event) -> str | None:
    if isinstance(event, events.Sweep):
        return (
            f"general {event.general:<5g} {event.tags:>9} tags  {event.per_image:>6.1f} an image"
            + (f"  {quantity(event.none, 'image')} with none" if event.none else "")
        )
    if not isinstance(event, events.TagShift):
        return None
    shift = f"+{event.added}" if event.added else ""
    shift += f" -{event.removed}" if event.removed else ""
    return f"{shift.strip():>9}  {event.tag}  ({event.before} -> {quantity(event.after, 'image')})"


def _threshold_summary(found: dict[str, Any]) -> str:
    heading = f"{found['model']}, {quantity(found['images'], 'image')}"
    heading += f" ({found['unscored']} without scores)" if found["unscored"] else ""
    if not found["instead"]:
        return f"{heading}: {quantity(found['after'], 'tag')}; give other thresholds to compare"
    parts = []
    if found["added"]:
        images = quantity(found["gaining"], "image")
        parts.append(f"adds {quantity(found['added'], 'tag')} on {images}")
    if found["removed"]:
        images = quantity(found["losing"], "image")
        parts.append(f"removes {quantity(found['removed'], 'tag')} on {images}")
    return f"{heading}: {found['instead']}: {', '.join(parts) or 'no tag changes'}"


def _agreement_line(event: events.Event) -> str | None:
    if isinstance(event, events.Agreement):
        return f"{event.both:>7} {event.first:>7} {event.second:>7}  {event.tag}"
    if isinstance(event, events.ImageAgreement):
        lines = [f"{event.path}  ({event.both} in common)"]
        lines += [f"  < {', '.join(event.first)}"] if event.first else []
        lines += [f"  > {', '.join(event.second)}"] if event.second else []
        return "\n".join(lines)
    return None


def _agreement_summary(found: dict[str, Any]) -> str:
    return (
        f"columns and marks: both, only {found['first']} (<), only {found['second']} (>)\n"
        f"{quantity(found['images'], 'image')}, {quantity(found['shared'], 'tag')} that both know:"
        f" {found['both']} taken by both, {found['only_first']} and {found['only_second']} by one;"
        f" agreement {found['agreement']:.0%}"
    )


def _doubt_line(event: events.Event) -> str | None:
    if isinstance(event, events.Change):
        return change_line(event)
    if not isinstance(event, events.Doubt):
        return None
    return (
        f"{event.doubt:.2f}  {event.tag:<24} {event.score:.2f} of {event.threshold:.2f}"
        f"  {padded(_(_WHY[event.reason]), 31)}  {event.path}"
    )


def _doubt_summary(found: dict[str, Any]) -> str:
    if not found["doubts"]:
        return "No doubts: captions and scores agree, or were decided by hand."
    counts = ", ".join(_(_COUNTED[name]).format(count=n) for name, n in found["reasons"].items())
    line = english(
        "{count} doubt in {images} ({reasons})",
        "{count} doubts in {images} ({reasons})",
        found["doubts"],
        images=quantity(found["images"], "image"),
        reasons=counts,
    )
    if found["shown"] < found["doubts"]:
        line += f"; the first {found['shown']} shown, --limit 0 for all"
    if found["unscored"]:
        line += f"; {quantity(found['unscored'], 'image')} without scores"
    return line


def _answer_summary(found: dict[str, Any], options: DoubtOptions) -> str:
    if options.dry_run:
        captions = quantity(found["changed"], "caption")
        return f"{quantity(found['answered'], 'answer')}, {captions} would change"
    undo = f" (edit {found['edit']}; take back with: shikomi undo)" if found["edit"] else ""
    answers, captions = quantity(found["answered"], "answer"), quantity(found["changed"], "caption")
    return f"{answers} recorded, {captions} changed{undo}"
