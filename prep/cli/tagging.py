"""The command line of taggers."""

from typing import Any

from prep import events
from prep.cli import console
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.changes import Limited, change_line
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.language import _, quantity, translated
from prep.language.wrapping import padded
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
    ("shikomi models", "List all known models; a check mark means: on this machine."),
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
    """List the taggers and head detectors known by name: sizes, thresholds, sources and licences.

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
    if not isinstance(event, events.KnownTagger | events.KnownDetector):
        return None
    size = f"{event.bytes / 1e6:>9,.0f} MB" if event.bytes else _("size unknown")
    mark = "✓" if event.cached else " "
    facts = [event.licence or _("licence not stated")]
    if isinstance(event, events.KnownTagger):
        limits = f"general {event.general:g}, character {event.character:g}"
        facts += [_("gated")] if event.gated else []
        facts += [_(event.point)] if event.point else []
    else:
        limits = "finds heads"
    columns = f"{padded(size, 12)}  {padded(translated(limits), 34)}"
    return f"{mark} {event.name:<36} {columns}  {event.source} ({'; '.join(facts)})"


def _summary(found: dict[str, Any], options: TagOptions) -> str:
    images = quantity(found["images"], "image")
    if found["provider"]:
        device = found["provider"].replace("ExecutionProvider", "")
        if options.engine == "ray":
            device += (
                f" ({quantity(found['workers'], 'worker')} on {quantity(found['nodes'], 'node')})"
            )
        rate = f"{found['images_per_second']:.3g}"
        line = f"{images} with {found['model']} on {device}: {rate} images/s"
    else:
        line = f"{images}, {found['model']} ({found['provider_reason']})"
    changed = found["changed"]
    files = quantity(changed, "file") if options.out else quantity(changed, "caption")
    line += f"\n{files} {'would change' if options.dry_run else 'changed'}"
    if found["edit"]:
        line += f" (edit {found['edit']}; take back with: shikomi undo)"
    if found["conflicts"]:
        line += f"; {found['conflicts']} left alone: changed elsewhere in the meantime"
    return line
