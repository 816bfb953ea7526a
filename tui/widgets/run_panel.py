"""One training run, or several beside each other: curves, numbers, samples, log, and the doctor."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import ContentSwitcher, Static

from prep import events
from prep.errors import UserError
from prep.images import decode
from prep.language import _, translated
from train.job.comparison import SMOOTHING, best, curves, settings_of, smooth
from tui.jobs.follow import JobView
from tui.jobs.runs import diagnoses, different, result, results
from tui.session import Session
from tui.widgets.chart import RUNS, Chart, Series
from tui.widgets.clipped import Clipped
from tui.widgets.job_strip import duration, ended, progress
from tui.widgets.line_list import ItemList, Piece, cell
from tui.widgets.log_view import LogView
from tui.widgets.picture import Picture, Source

LETTERS = "ABCDEF"
"""Marks of the runs that are compared."""
_NAME = 20
_LOG_LINES = 6
_BAR = 20


class RunPanel(Vertical):
    """Shows a run; call ``show`` again when there is news."""

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.session = session
        self._view: JobView | None = None
        self._compared: list[JobView] = []
        self._settings: dict[str, Mapping[str, Any]] = {}
        self._sample: int | None = None
        self._asked = ""

    def compose(self) -> ComposeResult:
        """Compose the views."""
        yield Clipped(id="run-title", classes="side-title")
        with ContentSwitcher(initial="run-curve", id="run-views"):
            with Vertical(id="run-curve"):
                with Horizontal(id="run-look"):
                    yield Chart(id="loss-chart")
                    with Vertical(id="run-sample"):
                        yield Picture(self.session, id="run-picture")
                        yield Clipped(id="run-sample-about")
                yield ItemList(id="run-compared", empty=_("these runs have the same settings"))
                yield Clipped(id="run-numbers")
                yield Clipped(id="run-log")
            yield LogView(id="run-whole-log")
            with VerticalScroll(id="run-doctor"):
                yield Static(id="run-diagnoses")

    # ---- which view ----------------------------------------------------------------------

    @property
    def current(self) -> str:
        """The open view: curve, log or doctor."""
        names = {"run-curve": "curve", "run-whole-log": "log", "run-doctor": "doctor"}
        return names[str(self.query_one(ContentSwitcher).current)]

    def open(self, name: str) -> None:
        """Open a view; the curve again where it is open already."""
        if name == self.current:
            name = "curve"
        widgets = {"curve": "run-curve", "log": "run-whole-log", "doctor": "run-doctor"}
        self.query_one(ContentSwitcher).current = widgets[name]
        self._asked = ""
        self.show(self._view, self._compared)
        focus = {"log": "#log-lines", "doctor": "#run-doctor"}.get(name)
        if focus is not None:
            self.query_one(focus).focus()

    # ---- showing -------------------------------------------------------------------------

    def show(self, view: JobView | None, compared: Sequence[JobView] = ()) -> None:
        """Show a run, or a message if there is none.

        Args:
            view: The run under the cursor.
            compared: Runs that are drawn over each other, if they are several.
        """
        if view is not self._view:
            self._sample, self._asked = None, ""
        self._view, self._compared = view, list(compared) if len(compared) > 1 else []
        self.set_class(bool(self._compared), "-compared")
        if view is None:
            self.say(_("No training yet."))
            return
        self.say(title_of(view))
        if self.current == "log":
            self.query_one(LogView).show(view.job.log_file, notes(view))
        elif self.current == "doctor":
            self._ask_doctor(view)
        elif self._compared:
            self._compare(self._compared)
        else:
            self.query_one(Chart).show(series(view.metrics))
            self.query_one("#run-numbers", Static).update(Content("\n".join(numbers(view))))
            self._show_log(view)
        self._show_sample(view)

    def say(self, text: str) -> None:
        """Set the line above the curve."""
        self.query_one("#run-title", Static).update(Content(text))

    def _show_log(self, view: JobView) -> None:
        self.query_one("#run-log", Static).update(Content("\n".join(notes(view)[-_LOG_LINES:])))

    # ---- samples -------------------------------------------------------------------------

    def step_sample(self, step: int) -> None:
        """Show the sample before or after; behind the last one, follow what comes."""
        if self._view is None or not (found := self._view.samples):
            self.app.notify(_("This run has no samples: set sample prompts."))
            return
        place = len(found) - 1 if self._sample is None else self._sample
        place = max(0, place + step)
        self._sample = place if place < len(found) - 1 else None
        self._show_sample(self._view)

    def _show_sample(self, view: JobView) -> None:
        found = view.samples
        self.set_class(bool(found) and self.current == "curve" and not self._compared, "-samples")
        if not found:
            return
        place = len(found) - 1 if self._sample is None else min(self._sample, len(found) - 1)
        sample = found[place]
        step = _("step {step}").format(step=sample.step) if sample.step is not None else ""
        about = f"{place + 1}/{len(found)} · {step}\n{sample.prompt}"
        self.query_one("#run-sample-about", Static).update(Content(about))
        source = self._source(sample)
        beside = [self._source(one) for one in found[max(0, place - 1) : place]]
        self.query_one("#run-picture", Picture).show(source.key, source.load, beside)

    def _source(self, sample: events.Sample) -> Source:
        file = self.session.project.root / sample.path
        return Source((sample.path, sample.step), lambda: decode(file))

    # ---- several runs --------------------------------------------------------------------

    @work(group="compare", exclusive=True, exit_on_error=False)
    async def _compare(self, views: Sequence[JobView]) -> None:
        shown: list[Series] = []
        for number, view in enumerate(views[:RUNS]):
            raw, validation = curves(view.metrics)
            look, mark = f"run-{number}", LETTERS[number]
            shown.append(Series(view.title, look, smooth(raw, SMOOTHING), mark=mark))
            shown.append(Series(_("validation"), look, validation, wide=True))
        self.query_one(Chart).show(shown)
        for view in views:
            if view.job.name not in self._settings:
                project = self.session.project
                found = await asyncio.to_thread(settings_of, project, view.job)
                self._settings[view.job.name] = found
        room = (self.size.width - _NAME) // len(views)
        width = max(7, min(18, room))
        rows = results(views) + different([self._settings[view.job.name] for view in views])
        table: list[list[Piece]] = [
            [
                (cell("", _NAME), ""),
                *((cell(letter, width), "title") for letter in LETTERS[: len(views)]),
            ]
        ]
        winner = best([result(view) for view in views])
        for name, texts in rows:
            marked = [
                "good" if name == _("validation, last") and place == winner else ""
                for place in range(len(texts))
            ]
            values = [(cell(t, width), look) for t, look in zip(texts, marked, strict=True)]
            table.append([(cell(name, _NAME), "dim"), *values])
        self.query_one("#run-compared", ItemList).show(table)

    # ---- the doctor ----------------------------------------------------------------------

    @work(group="doctor", exclusive=True, exit_on_error=False)
    async def _ask_doctor(self, view: JobView) -> None:
        """Ask once for each run and state of it; while it runs, when it is looked at anew."""
        asked = f"{view.job.name} {view.state}"
        if asked == self._asked:
            return
        self._asked = asked
        text = self.query_one("#run-diagnoses", Static)
        text.update(_("the doctor looks at the records of the run…"))
        try:
            found = await diagnoses(self.session.project, view.job.name)
        except UserError as error:
            text.update(Content(translated(f"{error.message} {error.hint}")))
            return
        text.update(diagnoses_text(found))


def diagnoses_text(found: Sequence[events.Diagnosis]) -> Content:
    """Return what the doctor says: trouble first, with evidence, cause and the next change."""
    order = {"found": 0, "unknown": 1, "fine": 2}
    marks = {"found": ("×", "$text-error"), "unknown": ("?", "$text-warning")}
    parts: list[Content] = []
    for one in sorted(found, key=lambda each: order.get(each.state, 1)):
        mark, style = marks.get(one.state, ("✓", "$text-success"))
        parts.append(Content.styled(f"{mark} {translated(one.topic)}", f"bold {style}"))
        words = (
            (_("evidence"), translated(one.evidence)),
            (_("cause"), translated(one.cause)),
            (_("next change"), translated(one.change)),
        )
        for name, text in words:
            if text:
                parts.append(Content.styled(f"  {name}: ", "$text-muted") + Content(text))
        parts.append(Content(""))
    return Content("\n").join(parts)


def notes(view: JobView) -> list[str]:
    """Return what a run has warned of, and why it failed, as lines."""
    found = [
        f"! {translated(f'{warning.message} {warning.hint}')}".rstrip() for warning in view.warnings
    ]
    if isinstance(view.end, events.Failed):
        found += [f"× {translated(view.end.message)}", f"× {translated(view.end.hint)}"]
    return [line for line in found if line.strip("× ")]


def numbers(view: JobView) -> list[str]:
    """Return the numbers of a run as lines."""
    metric = view.metric
    if metric is None:
        return [translated(view.note or view.what)] if view.active else []
    first = [
        _("step {step}/{total}").format(step=metric.step, total=metric.total),
        _("epoch {epoch}").format(epoch=metric.epoch),
    ]
    if view.rate is not None:
        first.append(f"{view.rate:.3g} it/s")
    if view.eta is not None and view.running and not view.paused:
        first.append(_("ETA {time}").format(time=duration(view.eta)))
    second = [_("loss {loss:.4f}").format(loss=metric.loss)]
    if metric.average_loss is not None:
        second.append(_("average {loss:.4f}").format(loss=metric.average_loss))
    if metric.learning_rate is not None:
        second.append(_("learning rate {rate:.2e}").format(rate=metric.learning_rate))
    third = []
    ended = result(view)
    before, last = ended.first_validation, ended.last_validation
    if before is not None and last is not None:
        third.append(_("validation {before:.4f} → {last:.4f}").format(before=before, last=last))
    if metric.memory_bytes:
        third.append(f"{metric.memory_bytes / 2**30:.1f} GiB")
    if view.device:
        third.append(_("on {device}").format(device=view.device))
    return [" · ".join(part) for part in (first, second, third) if part]


def series(metrics: Sequence[events.Metric]) -> list[Series]:
    """Return the curves of one run."""
    raw, validation = curves(metrics)
    return [
        Series(_("loss"), "raw", raw),
        Series(_("smoothed"), "smooth", smooth(raw, SMOOTHING)),
        Series(_("validation"), "check", validation, wide=True),
    ]


def title_of(view: JobView) -> str:
    """Return the state, the title and, while it runs, how far a run is."""
    if view.paused:
        return _("‖ {title}: paused at step {done}/{total}; p goes on").format(
            title=view.title, done=view.done, total=view.total
        )
    if not view.running:
        return ended(view)
    far = progress(view.what, view.done, view.total, _BAR, view.note)
    return f"▶ {view.title}: {far or _('starting…')}"
