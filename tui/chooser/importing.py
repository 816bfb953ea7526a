"""Take over a dataset of another tool: look first, then write, then open the result.

What is looked at and what is done is ``shikomi import``, in a process of its own: one that has
begun to write ends, whatever becomes of the application, and ``shikomi undo`` takes it back.
"""

import shlex
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Button, Input, Label, Select, Static

from prep import events
from prep.language import _, marked, ngettext, translated
from prep.project import FILE_NAME
from prep.system.names import with_home
from tui.chooser.dialogs import family_choice
from tui.chooser.paths import PathField, is_source
from tui.verbs.runs import Run, ShortRun
from tui.widgets.job_strip import bar
from tui.widgets.key_line import KeyLine

_SHOWN = 500
"""Lines of the list that are shown."""
_BAR = 24


class ImportScreen(Screen[Path | None]):
    """Source and project above, what comes of it below; returns the project to open."""

    AUTO_FOCUS = "#source"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", marked("Back")),
        Binding("ctrl+y", "look", marked("Look, write nothing")),
        Binding("ctrl+t", "take", marked("Import")),
        Binding("ctrl+o", "open", marked("Open the project")),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._run: ShortRun | None = None
        self._looked: tuple[str, ...] = ()
        self._done = False

    def compose(self) -> ComposeResult:
        """Compose inputs and result."""
        yield Static(Content(_("Import a dataset")), id="import-title")
        with Vertical(id="import-form"):
            yield Label(_("from"), classes="field-label")
            yield PathField(id="source", suits=is_source)
            formats = _(
                "A folder, zip or tar, or a file that describes a dataset: of kohya_ss, sd-scripts,"
                " OneTrainer, TagGUI, Hugging Face, WebDataset. It stays as it is."
            )
            yield Static(Content(formats), classes="hint")
            yield Label(_("into the project"), classes="field-label")
            yield PathField(id="target")
            yield Static(Content(_("Created if it does not exist yet.")), classes="hint")
            yield Label(_("base model"), classes="field-label")
            yield family_choice()
            yield Label(_("concept folder"), classes="field-label")
            yield Input(id="concept", compact=True, placeholder=_("those of the source"))
            yield Static(
                Content(_("Such as 10_mychara, for images without folders of their own.")),
                classes="hint",
            )
            with Horizontal(id="import-buttons"):
                yield Button(_("Look (^y)"), compact=True, id="look", variant="primary")
                yield Button(_("Import (^t)"), compact=True, id="take", disabled=True)
                yield Button(_("Open (^o)"), compact=True, id="open", disabled=True)
        yield Static(id="import-state")
        with VerticalScroll(id="import-output", can_focus=True):
            yield Static(id="import-lines")
        yield Static(id="import-command")
        yield KeyLine()

    # ---- inputs --------------------------------------------------------------------------

    @property
    def words(self) -> tuple[str, ...]:
        """The command line, without ``shikomi``; empty until both places are named."""
        source, target, concept = (
            self.query_one(f"#{name}", Input).value.strip()
            for name in ("source", "target", "concept")
        )
        if not (source and target):
            return ()
        # Written out, so that names that begin with a dash are no options.
        places = [str(with_home(text).absolute()) for text in (target, source)]
        family = self.query_one("#family", Select)
        chosen = () if family.disabled else ("--family", str(family.value))
        return ("import", *places, *chosen, *(("--as", concept) if concept else ()))

    @on(Input.Changed)
    @on(Select.Changed)
    def changed(self, event: Input.Changed | Select.Changed) -> None:
        """Propose a project beside the source, and show the command line."""
        target = self.query_one("#target", Input)
        if isinstance(event, Input.Changed) and event.input.id == "source" and event.value.strip():
            name = with_home(event.value.strip()).name
            proposed = str(Path.cwd() / f"{Path(name).stem or 'my'}_project")
            if not target.value or target.value == getattr(self, "_proposed", ""):
                target.value = proposed
            self._proposed = proposed
        # A project that exists has a family already.
        there = with_home(target.value.strip() or ".") / FILE_NAME
        self.query_one("#family", Select).disabled = bool(target.value.strip()) and there.exists()
        shown = f"$ {shlex.join(('shikomi', *self.words))}" if self.words else ""
        self.query_one("#import-command", Static).update(Content(shown))
        self._allow()

    def _allow(self) -> None:
        """Import only what was looked at; open only what is there."""
        working = self._run is not None and self._run.running
        self.query_one("#look", Button).disabled = working or not self.words
        looked = bool(self.words) and self._looked == self.words
        self.query_one("#take", Button).disabled = working or not looked or self._done
        self.query_one("#open", Button).disabled = working or not self._done

    @on(Input.Submitted)
    def action_look(self) -> None:
        """Show what would be imported."""
        self._start(dry=True)

    def action_take(self) -> None:
        """Import; what was not looked at yet is looked at first."""
        if not self._done:
            self._start(dry=self._looked != self.words)

    def action_open(self) -> None:
        """Open the project that the images are in."""
        if self._done:
            self.dismiss(with_home(self.query_one("#target", Input).value.strip()))

    def action_back(self) -> None:
        """Go back; an import that has begun ends by itself."""
        self.dismiss(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Do what the button says."""
        {"look": self.action_look, "take": self.action_take, "open": self.action_open}[
            event.button.id or "look"
        ]()

    # ---- at work -------------------------------------------------------------------------

    def _start(self, *, dry: bool) -> None:
        if self.words and not (self._run is not None and self._run.running):
            self._done = False
            self._follow(self.words, dry=dry)

    @work(group="import", exclusive=True)
    async def _follow(self, words: tuple[str, ...], *, dry: bool) -> None:
        command = [*words, *(["--dry-run"] if dry else []), "--json"]
        self._run = run = ShortRun("import", command, writes=not dry)
        self._show(run)
        self._allow()
        timer = self.set_interval(0.1, lambda: self._show(run))
        try:
            await run.follow(self._show)
        finally:
            timer.stop()
        ended_well = isinstance(run.end, events.Finished) and run.end.reason == "done"
        if ended_well:
            self._looked = words
            self._done = not dry
        self._show_end(run, dry=dry)
        self._allow()
        if ended_well:
            self.query_one("#take" if dry else "#open", Button).focus()

    def _show(self, run: Run) -> None:
        progress = run.progress
        text = _("looking…") if not run.writes else _("importing…")
        if isinstance(progress, events.Progress) and progress.total:
            text = f"{text} {bar(progress.done, progress.total, _BAR)} "
            text += f"{progress.done}/{progress.total}"
        self.query_one("#import-state", Static).update(Content(text))
        self.query_one("#import-lines", Static).update(Content("\n".join(_lines(run))))

    def _show_end(self, run: Run, *, dry: bool) -> None:
        state = self.query_one("#import-state", Static)
        if not isinstance(run.end, events.Finished):
            fault = run.outcome()
            if isinstance(run.end, events.Failed):
                fault = translated(f"{run.end.message} {run.end.hint}".strip())
            state.update(Content(f"× {fault}"))
            return
        lines = _lines(run)
        if (more := len(run.lines) - len(lines)) > 0:
            text = ngettext("… and {count} more line", "… and {count} more lines", more)
            lines.append(text.format(count=more))
        self.query_one("#import-lines", Static).update(Content("\n".join(lines)))
        state.update(Content(_summary(run.end.summary, dry=dry)))


def _lines(run: Run) -> list[str]:
    return [translated(line) for line in run.lines[:_SHOWN]]


def _summary(found: dict[str, Any], *, dry: bool) -> str:
    """Say what was recognised, and what was or would be written."""
    images, skipped = int(found.get("images", 0)), int(found.get("skipped", 0))
    counted = ngettext("{count} image", "{count} images", images).format(count=images)
    captions = int(found.get("captions", 0))
    texts = ngettext("{count} caption", "{count} captions", captions).format(count=captions)
    known = _("Recognised: {format}.").format(format=translated(str(found.get("format", ""))))
    if dry:
        line = _("{known} {images} with {captions} would be written.")
    else:
        line = _("✓ {known} {images} with {captions} were written. Undo: u in the project.")
    text = line.format(known=known, images=counted, captions=texts)
    if unchanged := int(found.get("unchanged", 0)):
        there = ngettext("{count} was there already.", "{count} were there already.", unchanged)
        text += " " + there.format(count=unchanged)
    if skipped:
        left = ngettext("! {count} skipped: see below.", "! {count} skipped: see below.", skipped)
        text += " " + left.format(count=skipped)
    return text
