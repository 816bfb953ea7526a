"""Live thresholds: a slider for each category, and what the captions would become."""

import time
from collections.abc import Iterator
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from prep.dataset.index import Index
from prep.errors import UserError
from prep.images import decode
from prep.language import _, ngettext, translated
from prep.ops.score_options import ScoreOptions
from prep.ops.threshold_trial import Chosen, ThresholdTrial, of_categories
from tui import commands
from tui.session import Session
from tui.widgets.clipped import Clipped
from tui.widgets.line_list import ItemList, LineList, Piece, cell
from tui.widgets.picture import Picture
from tui.widgets.slider import Slider
from tui.widgets.tag_difference import caption_difference

_NEWS = 0.1
"""Seconds between two looks at a count that goes on."""
_SHOWN = 500
"""Maximum of tags and of images that are listed; counts are of all."""


class ThresholdPanel(Horizontal):
    """Sliders on the left; tags that come and go, captions and a picture on the right.

    Nothing runs but numpy on kept scores, in a thread of its own; a count that is out of date is
    given up. ``open`` reads scores and captions again.
    """

    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("thresholds")

    class TakeOver(Message):
        """The user wants to take the thresholds over."""

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.session = session
        self._trial: ThresholdTrial | None = None
        self._base = ScoreOptions()
        self._sliders: dict[str, Slider] = {}
        self._wanted: dict[str, float] | None = None
        self._busy = False
        self._places: list[int] = []
        self._path = ""
        self.chosen = Chosen()

    def compose(self) -> ComposeResult:
        """Compose both halves."""
        with Vertical(id="threshold-sliders"):
            yield Clipped(id="threshold-title", classes="side-title")
            yield VerticalScroll(id="sliders", can_focus=False)
            yield Clipped(
                _(
                    "← → move by 0.01, shift by 0.05, backspace goes back to the setting (┼)."
                    " The bars are the scores of all images.\n"
                    "a takes the thresholds over: into the captions, which u undoes, or as"
                    " settings, or both."
                ),
                id="threshold-help",
            )
        with Vertical(id="threshold-effect"):
            yield Clipped(id="threshold-counts")
            with Horizontal(id="threshold-lists"):
                yield ItemList(
                    id="tag-shifts",
                    heading=_("  gain  lose  tag"),
                    empty=_("no tag comes or goes"),
                )
                yield ItemList(
                    id="tried-images", heading=_("captions"), empty=_("no caption changes")
                )
            with Horizontal(id="threshold-look"):
                yield Picture(self.session, id="tried-picture")
                with Vertical(id="tried-caption-panel"):
                    yield Clipped(id="tried-name", classes="side-title")
                    with VerticalScroll(id="tried-caption-scroll", can_focus=False):
                        yield Static(id="tried-caption")

    # ---- opening -------------------------------------------------------------------------

    @property
    def options(self) -> ScoreOptions:
        """The taggers, and the thresholds that were moved."""
        values = {name: s.value for name, s in self._sliders.items() if s.moved}
        moved = of_categories({name: v for name, v in values.items() if v is not None})
        return self._base.model_copy(update=moved)

    @property
    def moved(self) -> bool:
        """Whether any slider is not at the value in force."""
        return any(slider.moved for slider in self._sliders.values())

    @work(group="trial", exclusive=True, exit_on_error=False)
    async def open(self, chosen: Chosen, asked: ScoreOptions) -> None:
        """Read the scores and captions of images.

        Args:
            chosen: The images.
            asked: The taggers; thresholds in it are not used.
        """
        self.chosen, self._busy, self._wanted = chosen, False, None
        title = self.query_one("#threshold-title", Static)
        project = self.session.project
        try:
            found = await self.session.trials.run(lambda i: ThresholdTrial(project, i, asked))
            reading = found.read(chosen)
            while (step := await self._next(reading)) is not None:
                title.update(_("reading {done}/{total}").format(done=step[0], total=step[1]))
        except UserError as error:
            self._trial = None
            title.update(Content(translated(error.message)))
            self.query_one("#threshold-counts", Static).update(Content(translated(error.hint)))
            await self._make_sliders({}, {})
            return
        self._trial, self._base = found, found.options
        limits, spread = await self.session.trials.run(
            lambda _: (found.limits(ScoreOptions()), found.trial.spread())
        )
        title.update(Content(self._title(found)))
        await self._make_sliders(limits, spread)
        if self.screen.focused is self.query_one("#tag-shifts") and (first := self.first()):
            first.focus()
        self._moved()

    def _title(self, found: ThresholdTrial) -> str:
        count = len(found.trial.images)
        images = ngettext("{count} image", "{count} images", count).format(count=count)
        names = ", ".join(map(translated, (found.options.model, *found.options.also)))
        parts = [names, images]
        if found.options.also:
            parts.insert(1, found.options.combine)
        if found.unscored:
            left = ngettext("{count} not scored", "{count} not scored", found.unscored)
            parts.append(left.format(count=found.unscored))
        if found.trial.skipped:
            parts.append(
                _("{count} without a caption file of their own").format(count=found.trial.skipped)
            )
        return " · ".join(parts)

    async def _make_sliders(self, limits: dict[str, float | None], spread: dict[str, Any]) -> None:
        """Show a slider for each category; those that are there keep their positions."""
        panel = self.query_one("#sliders", VerticalScroll)
        for name in [name for name in self._sliders if name not in limits]:
            await self._sliders.pop(name).remove()
        for name, usual in limits.items():
            kept = self._sliders.get(name)
            untouched = kept is None or not kept.moved
            if kept is None:
                kept = self._sliders[name] = Slider(name, label(name), id=f"slider-{name}")
                await panel.mount(kept)
            kept.show(usual, spread[name].tolist())
            if untouched:
                kept.set_reactive(Slider.value, usual)
                kept.refresh()

    # ---- trying --------------------------------------------------------------------------

    @on(Slider.Changed)
    def _moved(self) -> None:
        """Try what the sliders say, as soon as the count before it lets go."""
        self._wanted = {n: s.value for n, s in self._sliders.items() if s.value is not None}
        if not self._busy and self._trial is not None:
            self._busy = True
            self._try(self._trial)

    @work(group="try", exit_on_error=False)
    async def _try(self, found: ThresholdTrial) -> None:
        try:
            shown: dict[str, float] | None = None
            while shown != self._wanted and found is self._trial:
                shown, options = self._wanted, self.options
                steps = found.at(options)  # begins in the thread that asks for the first
                begun = time.monotonic()
                while (done := await self._next(steps)) is not None:
                    if time.monotonic() - begun > _NEWS:
                        self._show(found, done)
                        begun = time.monotonic()
                        if shown != self._wanted or found is not self._trial:
                            break
            if found is self._trial:
                self._show(found, len(found.trial.images))
        finally:
            self._busy = False
        if found is not self._trial and self._trial is not None:
            self._moved()

    async def _next(self, steps: Iterator[Any]) -> Any:
        def step(_index: Index) -> Any:
            return next(steps, None)

        return await self.session.trials.run(step)

    # ---- showing -------------------------------------------------------------------------

    def _show(self, found: ThresholdTrial, done: int) -> None:
        trial = found.trial
        changed, shifts = trial.changed, trial.shifts()
        self.query_one("#threshold-counts", Static).update(
            Content(counts_text(len(changed), len(trial.images), done, shifts))
        )
        lines: list[list[Piece]] = [
            [
                (f"{f'+{gain}' if gain else '·':>6}", "good" if gain else "dim"),
                (f"{f'−{loss}' if loss else '·':>6}  ", "bad" if loss else "dim"),
                (self.session.with_translation(tag), ""),
            ]
            for tag, gain, loss in shifts[:_SHOWN]
        ]
        self.query_one("#tag-shifts", ItemList).show(lines)
        self._places = changed[:_SHOWN]
        self.query_one("#tried-images", ItemList).show(
            [self._line(place) for place in self._places]
        )

    def _line(self, place: int) -> list[Piece]:
        assert self._trial is not None
        trial = self._trial.trial
        lost, gained = trial.difference(place)
        name = trial.images[place].path.rpartition("/")[2]
        return [
            (f"{f'+{len(gained)}' if gained else '':>4}", "good"),
            (f"{f'−{len(lost)}' if lost else '':>4} ", "bad"),
            (cell(name, max(len(name), 1)), ""),
        ]

    @on(LineList.Moved, "#tried-images")
    def look(self) -> None:
        """Show the caption under the cursor; without changes, that of the first image."""
        if self._trial is None or not self._trial.trial.images:
            return
        trial, cursor = self._trial.trial, self.query_one("#tried-images", ItemList).cursor
        place = self._places[cursor] if cursor < len(self._places) else 0
        image = trial.images[place]
        self.query_one("#tried-name", Static).update(Content(image.path.rpartition("/")[2]))
        difference = caption_difference(image.before, trial.after(place))
        self.query_one("#tried-caption", Static).update(difference)
        if image.path != self._path:
            self._path = image.path
            file = self.session.project.root / image.path
            self.query_one("#tried-picture", Picture).show(image.path, lambda: decode(file))

    @property
    def effect(self) -> tuple[str, list[list[Piece]]]:
        """What taking the thresholds over would do, in a sentence, and each caption."""
        if self._trial is None:
            return "", []
        trial = self._trial.trial
        text = counts_text(len(trial.changed), len(trial.images), len(trial.images), trial.shifts())
        lines: list[list[Piece]] = []
        shown = self.session.with_translation
        for place in trial.changed:
            lost, gained = trial.difference(place)
            lines.append(
                [
                    (cell(trial.images[place].path.rpartition("/")[2], 24) + " ", ""),
                    (", ".join(f"+{shown(tag)}" for tag in gained), "good"),
                    ("  " if gained and lost else "", ""),
                    (", ".join(f"−{shown(tag)}" for tag in lost), "bad"),
                ]
            )
        return text, lines

    def setting_words(self) -> str:
        """Return the thresholds that were moved, as they would stand in ``shikomi.toml``."""
        moved = [(name, s.value) for name, s in self._sliders.items() if s.moved]
        return ", ".join(f"{name} = {value:g}" for name, value in moved if value is not None)

    def action_take_over(self) -> None:
        """Ask how the thresholds are to be taken over."""
        if self._trial is not None:
            self.post_message(self.TakeOver())

    def action_next_slider(self, step: int) -> None:
        """Move to the next slider."""
        sliders = list(self._sliders.values())
        focused = self.screen.focused
        if isinstance(focused, Slider) and focused in sliders:
            place = sliders.index(focused) + step
            if 0 <= place < len(sliders):
                sliders[place].focus()

    def first(self) -> Slider | None:
        """Return the first slider, if there is one."""
        return next(iter(self._sliders.values()), None)


def label(category: str) -> str:
    """Return a category for people."""
    return {
        "general": _("General"),
        "character": _("Character"),
        "copyright": _("Series"),
        "artist": _("Artist"),
        "meta": _("Meta"),
        "quality": _("Quality"),
        "model": _("Model"),
        "year": _("Year"),
    }.get(category, category)


def counts_text(changed: int, images: int, done: int, shifts: list[tuple[str, int, int]]) -> str:
    """Return how many captions change, and how many tags come and go."""
    gain, loss = sum(one[1] for one in shifts), sum(one[2] for one in shifts)
    captions = ngettext(
        "{changed} of {images} caption changes", "{changed} of {images} captions change", images
    ).format(changed=f"{changed:,}", images=f"{images:,}")
    tags = _("+{gain} −{loss} tags").format(gain=f"{gain:,}", loss=f"{loss:,}")
    counted = "" if done >= images else _("counting {done}…").format(done=f"{done:,}")
    return " · ".join(part for part in (captions, tags, counted) if part)
