"""The front door: one command, ``shikomi``, whose verbs are imported only when they are used.

``shikomi --help`` therefore loads no torch, no onnxruntime and no Textual.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from prep import __version__
from prep.cli import crash
from prep.cli.console import print_error
from prep.cli.usage import format_error
from prep.errors import EXIT_INTERRUPTED, EXIT_USAGE, UserError

_EPILOGUE = """\
Every verb takes --json, which prints its events as JSON lines.

Exit codes: 0 done; 1 done, with problems or skipped items; 2 wrong usage or configuration; \
3 worth trying again; 70 a fault of shikomi; 130 interrupted."""

app = App(
    name="shikomi",
    version=__version__,
    help="Prepare, caption and train LoRA datasets. Without a verb: the terminal application.",
    help_epilogue=_EPILOGUE,
    help_flags=["--help", "-h"],
    result_action="return_value",
    error_formatter=format_error,
)
jobs = App(name="jobs", help="List, follow and stop heavy work.", result_action="return_value")
scores = App(name="scores", help="Look into stored tagger scores.", result_action="return_value")
lora = App(name="lora", help="Look into LoRA files.", result_action="return_value")

COMMANDS = {
    "demo": ("tui.demo_cli:demo", "Do the whole job on a small world that comes along."),
    "init": ("prep.cli.dataset:init", "Make a new project."),
    "import": ("prep.cli.formats:import_", "Take over datasets of other tools."),
    "scan": ("prep.cli.dataset:scan", "Find images and captions; list what cannot be read."),
    "ls": ("prep.cli.dataset:ls", "List images."),
    "tags": ("prep.cli.dataset:tags", "Count tags."),
    "dupes": ("prep.cli.dupes:dupes", "Find images that are the same picture."),
    "quality": ("prep.cli.quality:quality", "Find blurred, noisy, tiny, framed… images."),
    "tag": ("prep.cli.tagging:tag", "Tag images with a WD tagger and write captions."),
    "models": ("prep.cli.tagging:models", "List the taggers that are known by name."),
    "doubt": ("prep.cli.scores:doubt", "Review tags that captions and tagger disagree about."),
    "caption": ("prep.cli.captioner:caption", "Describe images in sentences, by a vision model."),
    "edit": ("prep.cli.captions:edit", "Change the tags of many captions, or search them."),
    "complete": ("prep.cli.words:complete", "Complete a tag from the vocabulary."),
    "lint": ("prep.cli.words:lint", "Check tags: typos, aliases, spellings, trigger words."),
    "tokens": ("prep.cli.words:tokens", "Count captions in CLIP tokens."),
    "shuffle": ("prep.cli.words:shuffle", "Simulate how captions are shuffled and cut."),
    "exclude": ("prep.cli.dataset:exclude", "Leave images out, or take them in again."),
    "concept": (
        "prep.cli.dataset:concept",
        "Set a concept's trigger word, repeats, pruned tags.",
    ),
    "prune": ("prep.cli.captions:prune", "Show and prune a character's own traits."),
    "undo": ("prep.cli.history:undo", "Take back the newest edit."),
    "redo": ("prep.cli.history:redo", "Make again what was undone."),
    "history": ("prep.cli.history:history", "List the edits."),
    "crop": ("prep.cli.crop:crop", "Crop images for training, by hand or by themselves."),
    "buckets": ("prep.cli.crop:buckets", "Show which bucket each image falls into."),
    "preview": ("prep.cli.crop:preview", "Show one image as each trainer will see it."),
    "advise": ("prep.cli.quality:advise", "Judge the dataset as a whole: what to do first."),
    "plan": ("prep.cli.quality:plan", "Count repeats, exposures and steps."),
    "check": ("prep.cli.check:check", "Find what a trainer would stumble over."),
    "export": ("prep.cli.ops:export", "Write a training set; before it: shikomi check."),
    "push": ("prep.cli.formats:push", "Upload the training set to the Hugging Face hub."),
    "diff": ("prep.cli.formats:diff", "Tell what differs between two training sets."),
    "train": ("train.cli:train", "Train a LoRA as a job."),
    "sample": ("train.cli:sample", "Draw pictures with a base model and LoRAs."),
    "grid": ("train.cli:grid", "Draw a contact sheet: LoRA files x strengths."),
}
JOB_COMMANDS = {
    "demo": ("tui.demo_cli:demo", "Do the whole job on a small world that comes along."),
    "list": ("prep.cli.dataset:jobs_list", "List jobs and where they stand."),
    "follow": ("prep.cli.dataset:jobs_follow", "Show a job's progress until it ends."),
    "stop": ("prep.cli.dataset:jobs_stop", "Ask a job to save and end."),
}

SCORE_COMMANDS = {
    "list": ("prep.cli.scores:scores_list", "List the taggers whose scores are stored."),
    "thresholds": (
        "prep.cli.scores:scores_thresholds",
        "Count what other thresholds would change.",
    ),
    "compare": ("prep.cli.scores:scores_compare", "Compare two taggers."),
}
LORA_COMMANDS = {
    "info": ("train.cli:lora_info", "Tell what a LoRA file holds."),
    "verify": ("train.cli:lora_verify", "Check that a LoRA fits its model."),
}

for _name, (_target, _help) in COMMANDS.items():
    app.command(_target, name=_name, help=_help)
for _name, (_target, _help) in JOB_COMMANDS.items():
    jobs.command(_target, name=_name, help=_help)
for _name, (_target, _help) in SCORE_COMMANDS.items():
    scores.command(_target, name=_name, help=_help)
for _name, (_target, _help) in LORA_COMMANDS.items():
    lora.command(_target, name=_name, help=_help)
app.command(jobs)
app.command(scores)
app.command(lora)


@app.default
def open_application(
    project: Annotated[Path, Parameter(help="Project folder, or any folder of images.")] = Path(),
    /,
) -> int:
    """Open the terminal application."""
    if not sys.stdout.isatty():
        raise UserError(
            "The terminal application needs a terminal.",
            "For scripts there are verbs: shikomi --help",
        )
    from tui.app import run

    return run(project)


def main() -> int:
    """Run the command line; no verb ends with a traceback."""
    try:
        result = app(sys.argv[1:], exit_on_error=False, print_error=True)
    except UserError as error:
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if type(error).__module__.startswith("cyclopts"):
            return EXIT_USAGE  # cyclopts has printed what is wrong
        defect = crash.report_defect(error)
        print_error(defect)
        return defect.exit_code
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
