"""``shikomi demo``: prints a line per stage, then the results and the next steps."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from prep import events
from prep.cli import console
from prep.cli.arguments import Json
from prep.cli.examples import examples
from prep.language import _, translated
from prep.language.wrapping import padded

_COLUMN = 10
"""Terminal cells of the name of a stage."""


@examples(
    ("shikomi demo", "Make the project shikomi-demo, tag it, train on it and draw samples."),
    (
        "shikomi demo --dir trials/mochi --open",
        "Use another folder, and open the project in the terminal application at the end.",
    ),
)
def demo(
    *,
    directory: Annotated[Path, Parameter(name="--dir")] = Path("shikomi-demo"),
    open_: Annotated[bool, Parameter(name="--open")] = False,
    json: Json = False,
) -> int:
    """Run the whole workflow on a small example dataset: offline, without a GPU, in minutes.

    Args:
        directory: Folder of the demo project; created, or continued if it exists.
        open_: Open the project in the terminal application afterwards.
    """
    from train import demo as work

    code = console.show(work.run(directory), json=json, printer=_stage_line, summary=_last_screen)
    if open_ and code in (0, 1):
        from importlib import import_module

        # The application is only looked up here, not imported.
        return int(import_module("tui.opening").run(directory))
    return code


def _stage_line(event: events.Event) -> str | None:
    if isinstance(event, events.Stage) and event.done and event.note:
        # Part by part: joined, they would be no message that the catalogue knows.
        name, note = translated(event.name), translated(event.note)
        seconds = _("{seconds:>6.1f} s").format(seconds=event.seconds)
        return f"{padded(name, _COLUMN)} {seconds}  {note}"
    return None


def _last_screen(summary: dict[str, Any]) -> str:
    if "grid" not in summary:  # interrupted
        return _("Run the same command again to continue.")
    root = Path(summary["project"])
    text = _(
        """
Done in {seconds:.0f} seconds. Prompted with the trigger word alone, the tagger finds
  {base:>4.0%} of the mascot's own tags in pictures of the base model
  {lora:>4.0%} of them in pictures drawn with the LoRA

Look at   {grid}
LoRA      {file}
Captions  {captions}

Next      shikomi {root}
          opens the project: view the images, change captions, train again.
          Then your own: shikomi init my_project"""
    )
    return text.format(
        seconds=sum(summary["seconds"].values()),
        base=summary["trigger_recall_base"],
        lora=summary["trigger_recall_lora"],
        grid=root / summary["grid"],
        file=root / summary["lora"],
        captions=root / "dataset",
        root=root,
    )
