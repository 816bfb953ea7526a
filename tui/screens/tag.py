"""Stage 4: taggers, the captions that they write, and thresholds that are tried live."""

import asyncio
import shlex
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, ContentSwitcher, Input, Select, Static

from prep import events
from prep.errors import UserError
from prep.images import decode
from prep.language import _, ngettext, translated
from prep.ops.score_options import ScoreOptions
from prep.ops.tag import TagOptions
from prep.ops.threshold_trial import Chosen, applied
from prep.tagging.models.catalogue import KNOWN
from prep.tagging.models.obtain import DEMO
from tui import commands
from tui.dialogs.question import Question
from tui.dialogs.take_over import TakeOver
from tui.jobs.follow import JobView
from tui.jobs.launch import command, launch, verb_command
from tui.notices import tell
from tui.scope import Scope
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.starting import is_current, wants_another
from tui.verbs.fields import can_be_named, exactly
from tui.widgets.clipped import Clipped
from tui.widgets.form import Form
from tui.widgets.job_strip import bar, duration, outcome, progress
from tui.widgets.line_list import ItemList, LineList, cell
from tui.widgets.picture import Picture
from tui.widgets.tagger_panel import DOWNLOAD, TaggerPanel
from tui.widgets.threshold_panel import ThresholdPanel
from tui.widgets.views import ViewTabs

MODELS = (*(tagger.name for tagger in KNOWN), DEMO)
"""Suggestions for the name of the model."""
FIRST = ("model", "also", "combine", "write", "device", "general", "character")
_KEPT = ("model", "general", "character")
"""Settings that are stored in shikomi.toml."""
_VIEWS = {"tag-run": "run", "thresholds": "thresholds", "taggers-view": "taggers"}
"""Widget -> view."""
_BAR = 10
_LONGEST = 100_000
"""Characters of a filter that the command line of a job may have."""


class TagScreen(StageScreen):
    """Three views: the run of a tagger, thresholds, and the list of taggers."""

    MODE = "tag"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("tag")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._results: list[events.Event] = []
        self._view: JobView | None = None
        self._seen = Scope()

    def body(self) -> ComposeResult:
        """Make the views."""
        with Vertical(id="tag-body"):
            with Horizontal(id="tag-top"):
                yield ViewTabs(
                    [
                        ("f", "run", _("Run")),
                        ("t", "thresholds", _("Thresholds")),
                        ("m", "taggers", _("Taggers")),
                    ],
                    id="tag-views",
                )
                yield Clipped(id="tag-scope")
            with ContentSwitcher(initial="tag-run", id="tag-switcher"):
                yield from self._run_view()
                yield ThresholdPanel(self.session, id="thresholds")
                yield TaggerPanel(self.session, id="taggers-view")

    def _run_view(self) -> ComposeResult:
        with Horizontal(id="tag-run"):
            with Vertical(id="tag-form-panel", classes="form-panel"):
                yield Form(
                    TagOptions,
                    self._settings(),
                    first=FIRST,
                    hidden=("dry_run", "where", "show"),
                    known={"model": MODELS, "also": MODELS},
                    id="tag-form",
                )
                with Horizontal(classes="buttons"):
                    yield Button(_("Tag"), compact=True, id="tag", variant="primary")
                    yield Button(_("Dry run"), compact=True, id="dry")
            with Vertical(id="tag-results"):
                yield Clipped(_("No tagger has run yet."), id="tag-title", classes="side-title")
                yield ItemList(id="tagged", empty=_("results appear here"))
                with Horizontal(id="tag-look"):
                    yield Picture(self.session, id="tag-picture")
                    yield ItemList(id="scores")

    def _settings(self) -> dict[str, Any]:
        section = self.session.project.settings.tagger
        return {name: getattr(section, name) for name in _KEPT}

    def start_focus(self) -> str:
        """A list, so that digits and letters are commands at first."""
        return {"run": "#tagged", "taggers": "#taggers", "thresholds": "#tag-shifts"}[self._current]

    @property
    def _current(self) -> str:
        """The name of the open view."""
        return _VIEWS[str(self.query_one(ContentSwitcher).current)]

    def reload(self) -> None:
        """Show the newest job, and settings and captions that were changed elsewhere."""
        self.query_one("#tag-form", Form).rebase(self._settings())
        newest = self.session.board.newest("tag")
        if newest:
            self.job_changed(newest[0])
        elif not self._settings()["model"]:
            text = _("No tagger is chosen yet: m lists them.")
            self.query_one("#tag-title", Static).update(Content(text))
        self._show_view()

    # ---- views ---------------------------------------------------------------------------

    def on_screen_resume(self) -> None:
        """Follow what was chosen in the list of images meanwhile."""
        if self.session.scope != self._seen:
            self._show_view()

    def action_view(self, name: str) -> None:
        """Open a view."""
        widgets = {view: widget for widget, view in _VIEWS.items()}
        self.query_one(ContentSwitcher).current = widgets[name]
        self._show_view()
        self.to_commands()

    def _show_view(self) -> None:
        current = self._current
        self.query_one(ViewTabs).show(current)
        self._seen = self.session.scope
        scope = self._seen.words()
        self.query_one("#tag-scope", Static).update(
            Content(_("scope: {scope}").format(scope=scope))
        )
        asked = self._asked()
        if current == "thresholds":
            self.query_one(ThresholdPanel).open(self._chosen(), asked)
        elif current == "taggers":
            names = [asked.model or self.session.project.settings.tagger.model, *asked.also]
            self.query_one(TaggerPanel).open(names, asked.combine)

    def _chosen(self) -> Chosen:
        scope = self.session.scope
        return Chosen(scope.selected, scope.where)

    def _asked(self) -> ScoreOptions:
        """Return the taggers of the form, as far as it is filled in rightly."""
        form = self.query_one("#tag-form", Form)
        also = tuple(part.strip() for part in form.text("also").split("||") if part.strip())
        update = {"model": form.text("model"), "also": also, "combine": form.text("combine")}
        return ScoreOptions().model_copy(update=update)

    # ---- taggers -------------------------------------------------------------------------

    @on(TaggerPanel.Used)
    def taggers_used(self, event: TaggerPanel.Used) -> None:
        """Write the taggers into the form."""
        self.query_one("#field-model", Input).value = next(iter(event.names), "")
        self.query_one("#field-also", Input).value = " || ".join(event.names[1:])
        self.query_one("#field-combine", Select).value = event.combine

    @on(TaggerPanel.Wanted)
    @work(group="start", exit_on_error=False)
    async def download(self, event: TaggerPanel.Wanted) -> None:
        """Download a tagger as a job."""
        known, name = event.line.known, event.line.name
        size = f"{known.bytes / 1e6:,.0f} MB" if known and known.bytes else _("size unknown")
        licence = (known.licence if known else "") or _("not stated")
        text = _("{size} from {source}\nlicence: {licence}").format(
            size=size, source=known.source if known else name, licence=licence
        )
        answers = {"yes": _("Download"), "no": _("Back")}
        title = _("Download {name}?").format(name=name)
        if await self.app.push_screen_wait(Question(title, text, answers)) != "yes":
            return
        argv = verb_command("models", "--download", name)
        title = f"download {name}"
        await asyncio.to_thread(launch, self.session.project, DOWNLOAD, argv, title)

    # ---- thresholds ----------------------------------------------------------------------

    @on(ThresholdPanel.TakeOver)
    @work(group="bulk", exit_on_error=False)
    async def take_over(self) -> None:
        """Ask how thresholds are taken over, and do it as one edit."""
        panel = self.query_one(ThresholdPanel)
        options, chosen, (effect, lines) = panel.options, panel.chosen, panel.effect
        dialog = TakeOver(self.session.scope.words(), effect, lines, panel.setting_words())
        answer = await self.app.push_screen_wait(dialog)
        if not answer:
            return
        project = self.session.project
        done = await self.session.carry_out(
            lambda index: applied(
                project,
                index,
                options,
                chosen,
                captions=answer != "settings",
                settings=answer != "captions",
            )
        )
        count = len(done.changed)
        text = ngettext("{count} file changed. Undo: u", "{count} files changed. Undo: u", count)
        self.notify(text.format(count=count))

    def action_copy(self) -> None:
        """Copy the command line that does what the sliders say."""
        options = self.query_one(ThresholdPanel).options
        argv = command("tag", str(self.session.project.root), options, dry=False)[3:]
        argv.remove("--json")
        if where := self.session.scope.where:
            argv += ["--where", where]
        self.app.copy_to_clipboard(shlex.join(["shikomi", *argv]))
        self.notify(_("Copied: {line}").format(line=shlex.join(["shikomi", *argv])))

    # ---- starting ------------------------------------------------------------------------

    @on(Button.Pressed, "#tag")
    def tag_pressed(self) -> None:
        """Start tagging."""
        self.action_start(False)

    @on(Button.Pressed, "#dry")
    def dry_pressed(self) -> None:
        """Start a dry run."""
        self.action_start(True)

    @work(group="start", exit_on_error=False)
    async def action_start(self, dry: bool) -> None:
        """Start a tagger as a job, which continues when this terminal is closed."""
        with self.session.launcher.once(self) as free:
            if free:
                await self._start(dry)

    async def _start(self, dry: bool) -> None:
        form = self.query_one("#tag-form", Form)
        if not await is_current(self, self.session, form, self._settings):
            return
        options = form.read()
        if not (options.model or options.also or self.session.project.settings.tagger.model):
            self.action_view("taggers")
            tell(self, _("No tagger is chosen yet."), _("enter uses the one under the cursor."))
            return
        where = await self._where()
        if not await wants_another(self, self.session.project.jobs, "tag"):
            return
        changes = {name: v for name, v in form.changed(options).items() if name in _KEPT}
        if changes and not dry:
            await self.session.save_settings(form.title(changes), {"tagger": changes})
            form.rebase(self._settings())
        options = options.model_copy(update={"where": where})
        title = f"{'dry run: ' if dry else ''}tag with {options.model or 'the set tagger'}"
        argv = command("tag", str(self.session.project.root), options, dry=dry)
        await asyncio.to_thread(launch, self.session.project, "tag", argv, title)
        self.action_view("run")

    async def _where(self) -> str:
        """Return the filter that only the images of the scope match.

        Raises:
            UserError: The selection cannot be written as a filter.
        """
        scope = self.session.scope
        if not scope.selected:
            return scope.where
        rows = await self.session.queries.run(lambda index: index.rows(scope.selected))
        paths = [row.path for row in rows]
        odd = [path for path in paths if not can_be_named(path)]
        where = " or ".join(map(exactly, paths))
        if odd or len(where) > _LONGEST:
            why = _("no filter can name {path}").format(path=odd[0]) if odd else _("it is too long")
            raise UserError(
                _("This selection cannot be tagged: {why}.").format(why=why),
                _("Use a filter instead, or all images."),
            )
        return where

    # ---- watching ------------------------------------------------------------------------

    def job_changed(self, view: JobView) -> None:
        """Show the results of the newest tagging job so far, and downloads of taggers."""
        if view.settings.kind == DOWNLOAD and self.is_current:
            self.query_one(TaggerPanel).job_changed(view)
            return
        newest = self.session.board.newest("tag")
        if not newest or view is not newest[0] or not self.is_current:
            self._stale = True
            return
        self._view = view
        self.query_one("#tag-title", Static).update(Content(_state(view)))
        self._results = [e for e in view.results if isinstance(e, events.Tags | events.Skipped)]
        self.query_one("#tagged", ItemList).show([_line(event) for event in self._results])

    @on(LineList.Moved, "#tagged")
    def show_scores(self) -> None:
        """Show the scores of the image under the cursor."""
        place = self.query_one("#tagged", ItemList).cursor
        event = self._results[place] if place < len(self._results) else None
        if not isinstance(event, events.Tags):
            self.query_one("#scores", ItemList).show([])
            self.query_one("#tag-picture", Picture).show_text("")
            return
        lines: list[list[tuple[str, str]]] = [[(_("rating "), "dim"), (event.rating, "")]]
        for name, score in event.tags:
            filled = bar(round(score * 100), 100, _BAR)
            tag = self.session.with_translation(name)
            lines.append([(f"{score:.2f} ", "dim"), (f"{filled} ", "key"), (tag, "")])
        self.query_one("#scores", ItemList).show(lines, keep=False)
        file = self.session.project.root / event.path
        self.query_one("#tag-picture", Picture).show(event.path, lambda: decode(file))


def _state(view: JobView) -> str:
    """Describe a tagging job: how far it is, how fast and where, or how it ended."""
    if view.active:
        far = progress(view.what, view.done, view.total, _BAR, view.note)
        parts = [f"▶ {far or view.state_text}"]
        if view.device:
            parts.append(_("on {device}").format(device=view.device))
        if view.rate is not None:
            parts.append(_("{rate:.3g} images/s").format(rate=view.rate))
        if view.eta is not None:
            parts.append(_("{time} left").format(time=duration(view.eta)))
        return " · ".join(parts)
    if isinstance(view.end, events.Finished):
        return summary_text(view.end.summary)
    return outcome(view)


def summary_text(summary: dict[str, Any]) -> str:
    """Describe how a tagging job ended."""
    images = int(summary.get("images", 0))
    parts = [ngettext("{n} image", "{n} images", images).format(n=images)]
    if "changed" in summary:
        changed = int(summary["changed"])
        text = (
            ngettext(
                "{n} caption changed, u undoes it", "{n} captions changed, u undoes it", changed
            )
            if summary.get("edit")
            else ngettext("{n} caption would change", "{n} captions would change", changed)
        )
        parts.append(text.format(n=changed))
    if summary.get("provider"):
        device = str(summary["provider"]).removesuffix("ExecutionProvider")
        parts.append(_("on {device}").format(device=device))
    if summary.get("images_per_second"):
        parts.append(_("{rate} images/s").format(rate=summary["images_per_second"]))
    return " · ".join(parts)


def _line(event: events.Event) -> list[tuple[str, str]]:
    if isinstance(event, events.Tags):
        names = ", ".join(name for name, _score in event.tags)
        return [(cell(event.path.rpartition("/")[2], 24) + " ", ""), (names, "dim")]
    assert isinstance(event, events.Skipped)
    return [
        (cell(event.path.rpartition("/")[2], 24) + " ", ""),
        (f"× {translated(event.reason)}", "bad"),
    ]
