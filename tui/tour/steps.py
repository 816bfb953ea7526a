"""The three steps of the tour: what there is to do in each, with which keys."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from prep.language import _, marked
from tui import commands


@dataclass(frozen=True)
class Task:
    """Something to do.

    Attributes:
        name: For what is remembered.
        text: One sentence, with the names of ``keys`` where the keys stand.
        keys: Name in the text -> id of the command.
    """

    name: str
    text: str
    keys: Mapping[str, str] = field(default_factory=dict)

    def words(self, keymap: Mapping[str, str]) -> str:
        """Return the sentence in the language in use, with the keys that a person has."""
        return _(self.text).format(
            **{name: key_of(command, keymap) for name, command in self.keys.items()}
        )


@dataclass(frozen=True)
class Step:
    """A step: a few tasks, in the order of the work."""

    title: str
    tasks: tuple[Task, ...]


STEPS = (
    Step(
        marked("Images and captions"),
        (
            Task(
                "look",
                marked("{down} and {up} go through the images; each is shown with its caption."),
                {"down": "list.down", "up": "list.up"},
            ),
            Task(
                "caption",
                marked(
                    "{edit} goes to the caption: type a tag; {save} saves, {back} leaves the field."
                ),
                {"edit": "images.edit", "save": "editor.save", "back": "editor.back"},
            ),
        ),
    ),
    Step(
        marked("Tags and decisions"),
        (
            Task(
                "tag",
                marked("{stage} goes to the tagger, {start} starts it: it writes all captions."),
                {"stage": "app.tag", "start": "tag.tag"},
            ),
            Task(
                "decide",
                marked(
                    "{stage} asks what is to be decided: {yes} does as proposed, {no} leaves it."
                ),
                {"stage": "app.review", "yes": "review.yes", "no": "review.no"},
            ),
        ),
    ),
    Step(
        marked("Training and its pictures"),
        (
            Task(
                "plan",
                marked("{stage} shows the plan: how often each image is used, how many steps."),
                {"stage": "app.plan"},
            ),
            Task(
                "train",
                marked("{stage}, then {start} starts the training; it takes a few minutes."),
                {"stage": "app.train", "start": "train.start"},
            ),
            Task(
                "samples",
                marked("{stage} shows the pictures that it draws, from step 40 on."),
                {"stage": "app.samples"},
            ),
        ),
    ),
)
LAST = Task(
    "",
    marked("{open} opens a folder of your own. {help} shows all keys, {find} finds all commands."),
    {"open": "app.open-project", "help": "app.help", "find": "app.find"},
)
"""What comes after the tour."""

_ARROWS = {"down": "↓", "up": "↑"}


def key_of(command: str, keymap: Mapping[str, str]) -> str:
    """Return the first key of a command.

    Example:
        >>> key_of("list.down", {}), key_of("images.edit", {"images.edit": "enter,e"})
        ('↓', 'enter')
    """
    found = next(each for each in commands.COMMANDS if each.id == command)
    key = found.label(keymap).split(" ")[0]
    return _ARROWS.get(key, key)


def place(done: Collection[str]) -> int:
    """Return the index of the first step with something left to do; that of no step at the end.

    Example:
        >>> place([]), place(["caption", "look", "plan"]), place(["look"])
        (0, 1, 0)
    """
    left = (number for number, step in enumerate(STEPS) if not finished(step, done))
    return next(left, len(STEPS))


def finished(step: Step, done: Collection[str]) -> bool:
    """Return whether nothing of a step is left to do."""
    return all(task.name in done for task in step.tasks)
