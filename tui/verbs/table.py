"""The table of verbs, which are imported only when they are used, and the application of cyclopts.

Front door, help, documents, palette and forms all read this one table; the options of a verb are
those of its function. Nothing here loads torch, onnxruntime or Textual.
"""

from typing import NamedTuple

from cyclopts import App, Group, Parameter

from prep import __version__
from prep.cli.command_line import CommandLine
from prep.cli.help_format import HelpFormatter, shown_default
from prep.cli.usage import format_error

_EPILOGUE = """\
Help for a verb: shikomi VERB --help
Every verb takes --json, which prints its events as JSON lines, and --lang: en, ja.

Exit codes: 0 success; 1 success, with problems or skipped items; 2 wrong usage \
or configuration; 3 temporary failure, try again; 70 an error in shikomi itself; \
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
        Verb("serve", "tui.serve_cli:serve", "Open the terminal application in a browser."),
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
    "Review": (
        Verb("review", "prep.cli.review:review", "List what waits for a decision, or answer it."),
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
        Verb("heads", "prep.cli.crop:heads", "Find heads, and those that training cuts off."),
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
        Verb("jobs compare", "train.compare_cli:jobs_compare", "Compare training runs."),
        Verb("jobs follow", "prep.cli.jobs:jobs_follow", "Show a job's progress until it ends."),
        Verb("jobs stop", "prep.cli.jobs:jobs_stop", "Stop a job; training is saved first."),
        Verb("jobs move", "prep.cli.jobs:jobs_move", "Give a queued run another place."),
        Verb("jobs start", "train.queue_cli:jobs_start", "Go on after a restart of the computer."),
    ),
    "Samples": (
        Verb("sample", "train.cli:sample", "Generate images with a base model and LoRAs."),
        Verb("grid", "train.cli:grid", "Generate a contact sheet: LoRA files x strengths."),
        Verb("lora", "", "Inspect, merge and resize LoRA files."),
        Verb("lora info", "train.lora_cli:lora_info", "Show what a LoRA file holds."),
        Verb("lora pick", "train.lora_cli:lora_pick", "Remember which LoRA is the best."),
        Verb("lora verify", "train.lora_cli:lora_verify", "Check that a LoRA fits a base model."),
        Verb("lora merge", "train.lora_cli:lora_merge", "Merge LoRAs, also into a model."),
        Verb("lora resize", "train.lora_cli:lora_resize", "Give a LoRA another rank."),
        Verb("lora extract", "train.lora_cli:lora_extract", "Make a LoRA of what a model learned."),
    ),
}
"""All verbs, by the stages of the work in their order: that of the table in README."""

When = bool | tuple[str, ...]
"""Always, never, or only with one of these options."""


class Conduct(NamedTuple):
    """How a front end that is no shell runs a verb.

    Attributes:
        writes: When it changes or creates anything but caches.
        long: When it may take minutes and is started as a job.
        dry_run: ``--dry-run`` may only be given with one of these options; if empty, whenever it
            writes.
        given: Options that it is given in any case, since there is no terminal to wait in.
    """

    writes: When = True
    long: When = False
    dry_run: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


_READS = Conduct(writes=False)
_LONG = Conduct(long=True)
CONDUCT: dict[str, Conduct] = {
    **dict.fromkeys(("scan", "ls", "tags", "history", "complete", "tokens", "shuffle"), _READS),
    **dict.fromkeys(("advise", "buckets", "diff", "jobs list", "jobs follow", "doctor"), _READS),
    **dict.fromkeys(("jobs compare", "scores list", "scores thresholds", "scores compare"), _READS),
    **dict.fromkeys(("lora info", "lora verify"), _READS),
    **dict.fromkeys(("import", "tag", "caption", "export", "push"), _LONG),
    **dict.fromkeys(("regularize", "rates", "sample", "grid"), _LONG),
    **dict.fromkeys(("lora merge", "lora resize", "lora extract"), _LONG),
    **dict.fromkeys(("lint", "check"), Conduct(("--fix",))),
    **dict.fromkeys(("prune", "plan"), Conduct(("--apply",))),
    "allow": Conduct(("WHAT",)),
    "demo": Conduct(long=True, given=("--no-open",)),
    "dupes": Conduct(("--resolve",), long=True),
    "quality": Conduct(("--exclude",), long=True),
    "heads": Conduct(writes=False, long=True),
    "preview": Conduct(("--out",)),
    "models": Conduct(("--download",), long=("--download",)),
    "review": Conduct(("--answer", "--forget"), dry_run=("--answer",)),
    "doubt": Conduct(("--accept", "--reject", "--yes", "--no")),
    "train": Conduct(dry_run=("--from-kohya",), given=("--detach",)),
}
"""The conduct of verbs; those that are not here write whenever they run, and do not take long."""

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
