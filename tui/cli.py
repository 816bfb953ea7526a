"""The front door: one command, ``shikomi``, whose verbs are imported only when they are used.

``shikomi --help`` therefore loads no torch, no onnxruntime and no Textual.
"""

import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import App, Group, Parameter

from prep import __version__
from prep.cli import crash
from prep.cli.command_line import CommandLine
from prep.cli.console import print_error
from prep.cli.help_format import HelpFormatter, shown_default
from prep.cli.usage import format_error
from prep.errors import EXIT_INTERRUPTED, EXIT_USAGE, UserError
from prep.system.supervised import join_job, own_job
from tui.terminal import ImageMode

_EPILOGUE = """\
Help for a verb: shikomi VERB --help
Every verb takes --json, which prints its events as JSON lines.

Exit codes: 0 success; 1 success, with problems or skipped items; 2 wrong usage
or configuration; 3 temporary failure, try again; 70 an error in shikomi itself;
130 interrupted."""


class Verb(NamedTuple):
    """One verb, or a group of verbs when it has no target.

    Attributes:
        name: What users type; two words for a verb of a group.
        target: Module and function.
        help: Its line in ``shikomi --help``.
    """

    name: str
    target: str
    help: str


STAGES: dict[str, tuple[Verb, ...]] = {
    "Start": (
        Verb("demo", "tui.demo_cli:demo", "Run the whole workflow on a small example dataset."),
        Verb("init", "prep.cli.dataset:init", "Create a project."),
        Verb("allow", "prep.cli.allow:allow", "Allow servers, and folders outside of projects."),
    ),
    "Take over": (
        Verb("import", "prep.cli.formats:import_", "Import a dataset made with another tool."),
    ),
    "Images & captions": (
        Verb("scan", "prep.cli.dataset:scan", "Find images and captions; list unreadable files."),
        Verb("ls", "prep.cli.dataset:ls", "List images."),
        Verb("tags", "prep.cli.dataset:tags", "Count tags."),
        Verb("edit", "prep.cli.captions:edit", "Change the tags of many captions, or search them."),
        Verb("exclude", "prep.cli.dataset:exclude", "Exclude images, or include them again."),
        Verb("undo", "prep.cli.history:undo", "Undo the last edit."),
        Verb("redo", "prep.cli.history:redo", "Redo the edit that was undone last."),
        Verb("history", "prep.cli.history:history", "List the edits."),
    ),
    "Words": (
        Verb("prune", "prep.cli.captions:prune", "Prune the tags that a trigger word replaces."),
        Verb("complete", "prep.cli.words:complete", "Complete a tag from the vocabulary."),
        Verb("lint", "prep.cli.words:lint", "Check tags: typos, aliases, spellings, triggers."),
        Verb("tokens", "prep.cli.words:tokens", "Count the CLIP tokens of captions."),
        Verb("shuffle", "prep.cli.words:shuffle", "Simulate how captions are shuffled and cut."),
    ),
    "Duplicates": (
        Verb("dupes", "prep.cli.dupes:dupes", "Find duplicate images, and exclude all but one."),
    ),
    "Quality": (
        Verb("quality", "prep.cli.quality:quality", "Find blurred, noisy, small, framed images."),
        Verb("advise", "prep.cli.quality:advise", "Review the dataset as a whole."),
    ),
    "Crop & buckets": (
        Verb("crop", "prep.cli.crop:crop", "Crop images for training; files stay unchanged."),
        Verb("buckets", "prep.cli.crop:buckets", "Show the bucket of each image."),
        Verb("preview", "prep.cli.crop:preview", "Show one image as each trainer will see it."),
    ),
    "Tag": (
        Verb("tag", "prep.cli.tagging:tag", "Tag images with a tagger, and write captions."),
        Verb("models", "prep.cli.tagging:models", "List known taggers, and download them."),
        Verb("scores", "", "Inspect stored tagger scores."),
        Verb("scores list", "prep.cli.scores:scores_list", "List taggers with stored scores."),
        Verb(
            "scores thresholds",
            "prep.cli.scores:scores_thresholds",
            "Count what other thresholds would change.",
        ),
        Verb("scores compare", "prep.cli.scores:scores_compare", "Compare two taggers."),
        Verb("doubt", "prep.cli.scores:doubt", "Review tags that captions and tagger dispute."),
    ),
    "Describe": (
        Verb("caption", "prep.cli.captioner:caption", "Describe images with a vision model."),
    ),
    "Plan": (
        Verb("plan", "train.plan_cli:plan", "Calculate repeats, exposures and steps."),
        Verb("concept", "prep.cli.dataset:concept", "Set a concept's trigger word and repeats."),
        Verb("regularize", "train.regularize_cli:regularize", "Generate regularisation images."),
    ),
    "Check": (Verb("check", "prep.cli.check:check", "Find what would go wrong in a trainer."),),
    "Export": (
        Verb("export", "prep.cli.ops:export", "Write a training set."),
        Verb("diff", "prep.cli.formats:diff", "Compare two training sets."),
        Verb("push", "prep.cli.formats:push", "Upload a training set to the Hugging Face hub."),
    ),
    "Train": (
        Verb("train", "train.cli:train", "Train a LoRA in a background job."),
        Verb("rates", "train.cli:rates", "Find a learning rate in a short run."),
        Verb("doctor", "train.doctor_cli:doctor", "Diagnose a training run, or this machine."),
        Verb("jobs", "", "List, follow and stop jobs, and start the queue again."),
        Verb("jobs list", "prep.cli.jobs:jobs_list", "List jobs, their states and the queue."),
        Verb("jobs follow", "prep.cli.jobs:jobs_follow", "Show a job's progress until it ends."),
        Verb("jobs stop", "prep.cli.jobs:jobs_stop", "Stop a job; training is saved first."),
        Verb("jobs start", "train.queue_cli:jobs_start", "Go on after a restart of the computer."),
    ),
    "Samples": (
        Verb("sample", "train.cli:sample", "Generate images with a base model and LoRAs."),
        Verb("grid", "train.cli:grid", "Generate a contact sheet: LoRA files x strengths."),
        Verb("lora", "", "Inspect LoRA files."),
        Verb("lora info", "train.cli:lora_info", "Show what a LoRA file holds."),
        Verb("lora verify", "train.cli:lora_verify", "Check that a LoRA fits a base model."),
    ),
}
"""All verbs, by the stages of the work in their order: that of the table in README."""

app = CommandLine(
    name="shikomi",
    version=__version__,
    help="Prepare and caption images, and train LoRAs. Without a verb, opens the application.",
    usage="shikomi VERB [PROJECT] [OPTIONS]\n       shikomi [PROJECT]",
    help_epilogue=_EPILOGUE,
    help_flags=["--help", "-h"],
    help_format="plaintext",
    help_formatter=HelpFormatter(),
    default_parameter=Parameter(negative_iterable=(), show_default=shown_default),
    group_parameters=Group("Options", sort_key=1001),
    group_commands=Group("General options", sort_key=1002),
    result_action="return_value",
    error_formatter=format_error,
)


def _register() -> None:
    groups: dict[str, App] = {"": app}
    for place, (stage, verbs) in enumerate(STAGES.items()):
        heading = Group(stage, sort_key=place)
        for order, verb in enumerate(verbs):
            parent, _, name = verb.name.rpartition(" ")
            if verb.target:
                groups[parent].command(
                    verb.target,
                    name=name,
                    help=verb.help,
                    sort_key=order,
                    group=heading if parent == "" else None,
                )
            else:
                groups[name] = App(
                    name=name,
                    help=verb.help,
                    usage=f"shikomi {name} VERB [OPTIONS]",
                    help_epilogue="",
                    group=heading,
                    group_commands=Group("Verbs"),
                    sort_key=order,
                    result_action="return_value",
                )
                app.command(groups[name])


_register()


@app.default
def open_application(
    project: Annotated[Path, Parameter(help="Project folder, or any folder of images.")] = Path(),
    /,
    *,
    images: Annotated[
        ImageMode,
        Parameter(
            help="Draw pictures as Kitty graphics, Sixel, quadrant or half blocks, or not at all."
            " By default, what the terminal can show.",
            env_var="SHIKOMI_IMAGES",
        ),
    ] = "auto",
) -> int:
    """Open the terminal application."""
    if not project.exists():
        near = get_close_matches(str(project), list(app), n=1)
        meant = f"Did you mean: shikomi {near[0]}? " if near else ""
        raise UserError(
            f"{project} is neither a verb nor a folder.", f"{meant}All verbs: shikomi --help"
        )
    if not sys.stdout.isatty():
        raise UserError(
            "The terminal application needs a terminal.",
            "In scripts, use the verbs: shikomi --help",
        )
    from tui.opening import run

    return run(project, images)


def main() -> int:
    """Run the command line; no verb ends with a traceback."""
    try:
        if (job := own_job()) is not None:
            join_job(job)
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
