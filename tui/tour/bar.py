"""The present step of the tour, above the line at the bottom. It never takes the focus."""

from collections.abc import Collection, Mapping

from textual.content import Content
from textual.widgets import Static

from prep.language import _
from tui.tour.steps import LAST, STEPS, key_of, place


class TourBar(Static):
    """What there is to do, with a mark at what is done."""

    ALLOW_SELECT = False

    def show(self, done: Collection[str], keymap: Mapping[str, str]) -> None:
        """Show the step that these tasks lead to.

        Args:
            done: Names of the tasks that are done.
            keymap: Keys that a person changed, by the ids of commands.
        """
        text = _words(done, keymap)
        if text.plain != str(self.content):
            self.update(text)


def _words(done: Collection[str], keymap: Mapping[str, str]) -> Content:
    number, key = place(done), key_of("app.tour", keymap)
    if number == len(STEPS):
        head, told = _("Tour: all done"), _("{key} closes this").format(key=key)
        tasks = [("→", LAST.words(keymap), "")]
    else:
        step = STEPS[number]
        title = _("Tour, step {number} of {count}: {title}")
        head = title.format(number=number + 1, count=len(STEPS), title=_(step.title))
        told = _("{key} skips or ends it").format(key=key)
        tasks = [
            ("✓", task.words(keymap), "$text-success")
            if task.name in done
            else ("○", task.words(keymap), "")
            for task in step.tasks
        ]
    parts: list[str | tuple[str, str]] = [(head, "bold $text-primary"), (f" · {told}", "dim")]
    for mark, text, style in tasks:
        parts.append((f"\n{mark} {text}", style))
    return Content.assemble(*parts)
