"""The command line of taggers."""

from typing import Any

from prep import events
from prep.cli import console
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.changes import Limited, change_line
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.ops import models as models_op
from prep.ops import tag as tag_op
from prep.ops.models import ModelOptions
from prep.ops.tag import TagOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi tag my_project --model wd-vit-tagger-v3",
        "Tag all images; the model is downloaded on first use.",
    ),
    (
        "shikomi tag my_project --general 0.4 --tags.smile 0.6 --dry-run",
        "Show what other thresholds would change; stored scores are used again.",
    ),
)
def tag(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[TagOptions] = TagOptions(),
    json: Json = False,
) -> int:
    """Tag images with one or several taggers, and write captions.

    All scores are stored, so that other thresholds need no second run. Tags that you added or
    removed by hand stay so.
    """
    printer = Limited(change_line, options.show)
    return operate(
        project,
        lambda opened: tag_op.run(opened, options),
        json=json,
        printer=printer,
        summary=printer.before(lambda found: _summary(found, options)),
    )


@examples(
    ("shikomi models", "List all known taggers; a check mark means: on this machine."),
    (
        "shikomi models --download wd-vit-tagger-v3",
        "Download a tagger now, for use without a network later.",
    ),
)
def models(
    *,
    options: Options[ModelOptions] = ModelOptions(),
    json: Json = False,
) -> int:
    """List the taggers known by name: sizes, recommended thresholds, sources and licences.

    A gated tagger is given only to those who have accepted its terms on its page and logged in with
    `hf auth login`.
    """
    return console.show(
        models_op.run(options),
        json=json,
        printer=_model_line,
        summary=lambda found: (
            f"{found['cached']} of {found['models']} are on this machine (✓); others are downloaded"
            " when they are first used"
        ),
    )


def _model_line(event: events.Event) -> str | None:
    if not isinstance(event, events.KnownTagger):
        return None
    size = f"{event.bytes / 1e6:,.0f} MB" if event.bytes else "size unknown"
    mark = "✓" if event.cached else " "
    limits = f"general {event.general:g}, character {event.character:g}"
    facts = [event.licence or "licence not stated", *(["gated"] if event.gated else [])]
    told = "; ".join([*facts, *([event.point] if event.point else [])])
    return f"{mark} {event.name:<36} {size:>12}  {limits:<34}  {event.source} ({told})"


def _summary(found: dict[str, Any], options: TagOptions) -> str:
    line = f"{found['images']} images, {found['model']}"
    if found["provider"]:
        line += f" on {found['provider'].replace('ExecutionProvider', '')}"
        if options.engine == "ray":
            line += f" ({_count(found['workers'], 'worker')} on {_count(found['nodes'], 'node')})"
        line += f", {found['images_per_second']:.3g} images/s"
    else:
        line += f" ({found['provider_reason']})"
    what = "file" if options.out else "caption"
    what += "" if found["changed"] == 1 else "s"
    verb = "would change" if options.dry_run else "changed"
    line += f"\n{found['changed']} {what} {verb}"
    if found["edit"]:
        line += f" (edit {found['edit']}; take back with: shikomi undo)"
    if found["conflicts"]:
        line += f"; {found['conflicts']} were changed elsewhere and left alone"
    return line


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
