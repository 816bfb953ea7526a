"""The command line of words: completion, lint, tokens, shuffling."""

from typing import Annotated, Any

from cyclopts import Parameter

from prep import events
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.changes import change_line
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.events.words import Completion, Encoded, Lint, TagPlace, TokenCount
from prep.language import english, quantity
from prep.ops import complete as complete_op
from prep.ops import lint as lint_op
from prep.ops import shuffle as shuffle_op
from prep.ops import tokens as tokens_op
from prep.ops.complete import CompleteOptions
from prep.ops.lint import LintOptions
from prep.ops.shuffle import ShuffleOptions
from prep.ops.tokens import TokensOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)

CUT = "┃"
"""Stands where a caption is cut."""


def _no_option(_type: object, text: str) -> None:
    """Refuse a misspelt option where the text of a tag such as -_- may stand."""
    if text.startswith("--"):
        raise ValueError("There is no such option.")


@examples(
    (
        "shikomi complete my_project hair",
        "List tags that contain hair; those of the dataset come first.",
    ),
    ("shikomi complete my_project smili --limit 5", "Show at most five proposals."),
)
def complete(
    project: ProjectPath,
    text: Annotated[str, Parameter(allow_leading_hyphen=True, validator=_no_option)],
    /,
    *,
    options: Options[CompleteOptions] = CompleteOptions(),
    json: Json = False,
) -> int:
    """Complete a tag from the vocabulary, with its count in the dataset and in the tag list.

    Args:
        text: Part of the tag, of an alias, or of a translation.
    """
    return operate(
        project,
        lambda opened: complete_op.run(opened, text, options),
        json=json,
        printer=_completion_line,
        summary=lambda found: "" if found["completions"] else "No known tag has these letters.",
    )


@examples(
    (
        "shikomi lint my_project",
        "List doubtful tags; the exit code is 1 if some of them are wrong.",
    ),
    (
        "shikomi lint my_project --only typo --only alias --fix --dry-run",
        "Show how misspelled and renamed tags would be corrected.",
    ),
)
def lint(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[LintOptions] = LintOptions(),
    json: Json = False,
) -> int:
    """Check tags and trigger words against the vocabulary: typos, aliases, mixed spellings."""
    return operate(
        project,
        lambda opened: lint_op.run(opened, options),
        json=json,
        printer=_lint_lines,
        summary=_lint_summary,
    )


@examples(
    (
        "shikomi tokens my_project --over",
        "Show the captions that are too long, and where they are cut.",
    ),
    (
        "shikomi tokens my_project --limit 225 --sort fewest",
        "Show the shortest captions first, for a trainer that reads 225 tokens.",
    ),
)
def tokens(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[TokensOptions] = TokensOptions(),
    json: Json = False,
) -> int:
    """Count the CLIP tokens of captions, and mark where 75, 150 and 225 tokens end."""
    return operate(
        project,
        lambda opened: tokens_op.run(opened, options),
        json=json,
        printer=_count_lines,
        summary=_tokens_summary,
    )


@examples(
    (
        "shikomi shuffle my_project --epochs 20",
        "Count how often each tag would fall beyond the token limit in 20 epochs.",
    ),
    (
        "shikomi shuffle my_project --keep 0 --dropout 0.1",
        "The same if no tag is kept in place and every tenth caption is dropped.",
    ),
)
def shuffle(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[ShuffleOptions] = ShuffleOptions(),
    json: Json = False,
) -> int:
    """Simulate how a trainer shuffles, drops and cuts captions.

    What is not given as an option is taken from [train] in shikomi.toml.
    """
    return operate(
        project,
        lambda opened: shuffle_op.run(opened, options),
        json=json,
        printer=_place_line,
        summary=_shuffle_summary,
    )


def _completion_line(event: events.Event) -> str | None:
    if not isinstance(event, Completion):
        return None
    images = f"{event.images:>6} here" if event.images else " " * 11
    count = f"{event.count:>11,}" if event.count else " " * 11
    alias = f"{event.alias} → " if event.alias else ""
    words = f"{alias}{event.tag}  {event.translation}".rstrip()
    return f"{images} {count}  {words}  {event.type}".rstrip()


def _lint_lines(event: events.Event) -> str | None:
    if isinstance(event, events.Change):
        return change_line(event)
    if not isinstance(event, Lint):
        return None
    place = f" in {event.folder}" if event.folder else ""
    arrow = f" → {event.suggestion}" if event.suggestion else ""
    return f"{event.code:<16} {event.images:>6}  {event.tag}{arrow}  ({event.message}{place})"


def _lint_summary(found: dict[str, Any]) -> str:
    counts = found["findings"]
    known = english("{count:,} known word", "{count:,} known words", found["vocabulary"])
    text = f"{quantity(found['tags'], 'tag')}, {known}; "
    text += quantity(sum(counts.values()), "finding") if counts else "nothing to say"
    if counts:
        text += f" ({', '.join(f'{code} {count}' for code, count in counts.items())})"
    if found["changed"]:
        text += f"; {quantity(found['changed'], 'caption')} " + (
            f"changed (edit {found['edit']}; take back with: shikomi undo)"
            if found["edit"]
            else "would change"
        )
    return text


def _count_lines(event: events.Event) -> str | None:
    if not isinstance(event, TokenCount):
        return None
    text, end = "", 0
    for at in event.cuts.values():
        text += event.text[end:at].lstrip() + f" {CUT} "
        end = at
    return f"{event.count:>4}  {event.path}\n      {text}{event.text[end:].lstrip()}"


def _tokens_summary(found: dict[str, Any]) -> str:
    over = ", ".join(f"{count} over {at}" for at, count in found["over"].items())
    return (
        f"{quantity(found['captions'], 'caption')}: {found['mean']} tokens on average, at most"
        f" {found['longest']}; {over}; read up to {found['limit']}"
    )


def _place_line(event: events.Event) -> str | None:
    if isinstance(event, Encoded):
        lost = f" {CUT} {event.lost.lstrip()}" if event.lost else ""
        tokens = quantity(event.count, "token")
        return f"epoch {event.epoch}, {tokens}, {event.path}\n      {event.text}{lost}"
    if not isinstance(event, TagPlace):
        return None
    share = "  ".join(
        f"{100 * count / max(1, event.exposures):5.1f} % past {at}"
        for at, count in event.past.items()
    )
    dropped = english("dropped {count} time", "dropped {count} times", event.dropped)
    mark = "trigger" if event.trigger else "tag"
    return f"{mark:<8} {share}  of {event.exposures}  {event.tag}" + (
        f"  {dropped}" if event.dropped else ""
    )


def _shuffle_summary(found: dict[str, Any]) -> str:
    past = ", ".join(f"{count} past {at}" for at, count in found["tags_past"].items())
    limit = str(found["limit"])
    lines = [
        f"{quantity(found['captions'], 'caption')} in {quantity(found['epochs'], 'epoch')}:"
        f" {found['exposures']:,} exposures, {found['empty']} without text,"
        f" at most {quantity(found['longest'], 'token')}",
        f"Tags that ever fall behind: {past}. Read up to {limit}:"
        f" trigger words are lost in {100 * found['trigger_past'][limit]:.1f} % of their exposures",
    ]
    return "\n".join(lines)
