"""The command line of descriptions."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from prep import events
from prep.captioner.permission import host_of, is_allowed
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.errors import UserError
from prep.language import _, quantity
from prep.ops import caption as caption_op
from prep.ops.caption import CaptionOptions
from prep.project import Project
from prep.system.permissions import read_permissions, save_permissions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi caption my_project --url http://127.0.0.1:8080/v1 --limit 3 --dry-run",
        "Try the prompt on three images, and show the captions that would result.",
    ),
    (
        "shikomi caption my_project --where in:10_mychara --place joined",
        "Describe one concept; sentences go behind the tags, on the same line.",
    ),
)
def caption(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[CaptionOptions] = CaptionOptions(),
    json: Json = False,
) -> int:
    """Describe images in sentences with a vision model on an OpenAI-compatible server.

    What is not given as an option is taken from [captioner] in shikomi.toml. Descriptions that
    were written by hand stay, and a run that was stopped continues.
    """
    if not json and options.url is None:
        _ask(project)
    printer = _Printer(options.show)
    return operate(
        project,
        lambda opened: caption_op.run(opened, options),
        json=json,
        printer=printer,
        summary=lambda found: printer.rest() + _summary(found, options),
    )


def _ask(project: Path) -> None:
    """Ask a person at the terminal, once for each server, whether a project may use it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    with suppress(UserError):  # the operation reports it
        url = Project.open(project).settings.captioner.url
        if is_allowed(url):
            return
        host = host_of(url)
        question = _("This project sends its images to {host}. Allow that? [y/N]")
        sys.stderr.write(f"{question.format(host=host)} ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().casefold() in ("y", "yes"):
            save_permissions(read_permissions().with_host(host))


class _Printer:
    """Prints the first descriptions."""

    def __init__(self, most: int) -> None:
        self._most, self._count = most, 0

    def __call__(self, event: events.Event) -> str | None:
        if not isinstance(event, events.Described):
            return None
        self._count += 1
        if self._most and self._count > self._most:
            return None
        return f"{event.path}\n    {event.text}"

    def rest(self) -> str:
        more = self._count - self._most if self._most else 0
        text = _("... and {count} more (--show 0 for all)").format(count=more)
        return f"{text}\n" if more > 0 else ""


def _summary(found: dict[str, Any], options: CaptionOptions) -> str:
    line = f"{quantity(found['described'], 'image')} described"
    line += f" by {found['model']}" if found["model"] else ""
    if found["described"] and found["seconds"]:
        line += f", {60 * found['described'] / found['seconds']:.3g} a minute"
    if found["known"]:
        line += f"; {found['known']} had been described before"
    if found["failed"]:
        line += f"; {found['failed']} got no answer: run it again"
    verb = "would change" if options.dry_run else "changed"
    line += f"\n{quantity(found['changed'], 'caption')} {verb}"
    if found["edit"]:
        line += f" (edit {found['edit']}; take back with: shikomi undo)"
    if found["by_hand"]:
        line += f"; {found['by_hand']} written by hand kept (--write overwrite replaces them)"
    if found["conflicts"]:
        line += f"; {found['conflicts']} left alone: changed elsewhere in the meantime"
    return line
