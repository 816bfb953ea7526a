"""Follow jobs: turns the contents of job directories into views for widgets.

``JobBoard.poll`` reads files and runs in a thread; it returns news. ``JobBoard.apply`` puts news
into the views and runs on the event loop. The two share nothing but the news.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from prep import events
from prep.errors import UserError
from prep.language import _, marked, translated
from prep.system import jobs
from train.job.comparison import take_metric

REMEMBERED = 50
"""Maximum of job directories that are followed, the newest ones."""
RESULTS = 5000
"""Maximum of results (tags, samples, files) per job kept for drawing."""
_RATE_WINDOW = 30
_STATES = {
    "running": marked("running"),
    "queued": marked("queued"),
    "stalled": marked("stalled"),
    "done": marked("done"),
    "stopped": marked("stopped"),
    "failed": marked("failed"),
    "lost": marked("lost"),
    "new": marked("new"),
}
"""State of a job -> the word for it."""


@dataclass(frozen=True)
class News:
    """The news from one poll of a job directory."""

    job: jobs.Job
    settings: jobs.JobSettings
    state: str
    events: list[events.Event]
    paused: bool = False


@dataclass
class JobView:
    """The state of one job, for drawing.

    Attributes:
        state: As in ``prep.system.jobs.Status``.
        watched: It was seen running, so its end is notified.
        paused: It was asked to pause, and not to go on.
        metrics: In the order of steps; a resumed run replaces those that it does again.
        results: Tags, groups, samples, saved and written files, and skipped items.
    """

    job: jobs.Job
    settings: jobs.JobSettings
    state: str = "new"
    watched: bool = False
    what: str = ""
    note: str = ""
    done: int = 0
    total: int = 0
    device: str = ""
    stops: int = 0
    metrics: list[events.Metric] = field(default_factory=list)
    results: deque[events.Event] = field(default_factory=lambda: deque(maxlen=RESULTS))
    warnings: list[events.Warned] = field(default_factory=list)
    end: events.Finished | events.Failed | None = None
    paused: bool = False
    _ticks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_RATE_WINDOW))

    @property
    def title(self) -> str:
        """A readable title."""
        return translated(self.settings.title) or f"{self.settings.kind} {self.job.name}"

    @property
    def state_text(self) -> str:
        """The state for people."""
        return _("paused") if self.paused else _(_STATES[self.state])

    @property
    def counted(self) -> str:
        """How many of how many are done; empty if that is not known."""
        return f"{self.done}/{self.total}" if self.total else ""

    @property
    def running(self) -> bool:
        """Return whether it is running."""
        return self.state == "running"

    @property
    def metric(self) -> events.Metric | None:
        """The newest metric of a training step."""
        return next((m for m in reversed(self.metrics) if m.loss is not None), None)

    @property
    def rate(self) -> float | None:
        """Items or steps per second, or ``None`` if unknown."""
        metric = self.metric
        if metric is not None and metric.it_per_s is not None:
            return metric.it_per_s
        if len(self._ticks) < 2:
            return None
        (t0, n0), (t1, n1) = self._ticks[0], self._ticks[-1]
        return (n1 - n0) / (t1 - t0) if t1 > t0 and n1 > n0 else None

    @property
    def eta(self) -> float | None:
        """Seconds left, or ``None`` if unknown."""
        metric = self.metric
        if metric is not None and metric.eta_s is not None:
            return metric.eta_s
        rate = self.rate
        return (self.total - self.done) / rate if rate and self.total else None

    @property
    def active(self) -> bool:
        """Return whether it is running, or waits in the queue."""
        return self.state in ("running", "queued")

    def stop(self) -> str:
        """Ask it to stop, the second time kill it; return a message."""
        self.stops += 1
        jobs.send(self.job, "stop" if self.stops == 1 else "kill")
        if self.state == "queued":
            return _("{title} leaves the queue.").format(title=self.title)
        if self.stops > 1:
            return _("{title} is being killed.").format(title=self.title)
        return _("{title} finishes its step and saves. Press again to kill it.").format(
            title=self.title
        )

    def turn(self) -> str:
        """Ask it to pause, or to go on; return a message."""
        jobs.send(self.job, "resume" if self.paused else "pause")
        self.paused = not self.paused
        if self.paused:
            return _("{title} pauses after its step; its memory stays taken.").format(
                title=self.title
            )
        return _("{title} goes on.").format(title=self.title)

    def ask(self, command: str) -> str:
        """Ask it to save or to draw its samples after this step; return a message."""
        jobs.send(self.job, command)
        if command == "save":
            return _("{title} saves after its step.").format(title=self.title)
        return _("{title} draws its samples after its step.").format(title=self.title)

    @property
    def samples(self) -> list[events.Sample]:
        """The pictures that it has drawn, in order."""
        return [event for event in self.results if isinstance(event, events.Sample)]

    def take(self, news: News, now: float) -> None:
        """Update the view with news."""
        if news.state == "running" and self.state != "running":
            # The same directory runs again when a job is resumed.
            self.end, self.stops, self.watched = None, 0, True
            self._ticks.clear()
        self.state, self.settings, self.paused = news.state, news.settings, news.paused
        for event in news.events:
            self._take_event(event)
        if self.running and self.total:
            self._ticks.append((now, self.done))

    def _take_event(self, event: events.Event) -> None:
        match event:
            case events.Started():
                # The title says it already.
                self.what = "" if event.what == self.title else event.what
                self.done, self.total = 0, event.total
            case events.Progress():
                if event.what != self.what:
                    self._ticks.clear()
                self.what, self.note = event.what, event.note
                self.done, self.total = event.done, event.total
                if event.what == "tag" and "loading" not in event.note:
                    self.device = event.note
            case events.Metric():
                self.what, self.done, self.total = marked("training"), event.step, event.total
                take_metric(self.metrics, event)
            case events.Stage():
                self.what, self.note = event.name, event.note
                self.done = self.total = 0
                self._ticks.clear()
            case events.Probed():
                self.note = event.text
            case events.Warned():
                self.warnings.append(event)
            case events.Downloading():
                told = _("Downloading {size:,.0f} MB from {source}.")
                licence = _("Licence: {licence}.").format(licence=event.licence or _("not stated"))
                text = told.format(size=event.bytes / 1e6, source=event.source)
                self.warnings.append(events.Warned(text, licence))
            case events.Finished() | events.Failed():
                self.end = event
            case events.Unknown():
                pass
            case _:
                self.results.append(event)
        self.device = _device(event) or self.device


def _device(event: events.Event) -> str:
    """Return the device named in an event, in any field."""
    if isinstance(event, events.Stage) and event.name == "load" and not event.done:
        return event.note.rpartition(" on ")[2]
    data = event.data if isinstance(event, events.Unknown) else {}
    if isinstance(event, events.Finished):
        data = event.summary
    for key in ("device", "provider"):
        if data.get(key):
            return str(data[key]).removesuffix("ExecutionProvider")
    return ""


class _Tail:
    """One job directory, read incrementally."""

    def __init__(self, job: jobs.Job) -> None:
        self.job = job
        self._follower = jobs.Follower(job)
        self._state = ""
        self._last: events.Event | None = None
        self._paused = False

    def poll(self) -> News | None:
        # Asked first: events that arrive after this are read at the next poll.
        alive = self._began() and jobs.alive(self.job)
        unsettled = self._state in ("", "running", "queued", "new")
        if not alive and not unsettled and not self._grown():
            return None
        fresh = self._follower.poll()
        self._last = fresh[-1] if fresh else self._last
        living = "queued" if self._waits() else "running"
        state = living if alive else self._ended()
        paused = alive and self._is_paused()
        if not fresh and (state, paused) == (self._state, self._paused):
            return None
        try:
            settings = self.job.settings()
        except UserError:
            return None
        self._state, self._paused = state, paused
        return News(self.job, settings, state, fresh, paused)

    def _is_paused(self) -> bool:
        asked = [one for one in jobs.commands(self.job)[0] if one in ("pause", "resume", "stop")]
        return bool(asked) and asked[-1] == "pause"

    def _began(self) -> bool:
        return (self.job.directory / "began").exists()

    def _waits(self) -> bool:
        return (self.job.directory / jobs.TICKET).exists()

    def _grown(self) -> bool:
        try:
            return self.job.events_file.stat().st_size > self._follower.offset
        except OSError:
            return False

    def _ended(self) -> str:
        if self._waits() and self._began():
            return "stalled"
        if isinstance(self._last, events.Finished):
            return "done" if self._last.reason == "done" else "stopped"
        if isinstance(self._last, events.Failed):
            return "failed"
        return "lost" if self._began() else "new"


class JobBoard:
    """The newest jobs of a project."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tails: dict[str, _Tail] = {}
        self.views: dict[str, JobView] = {}

    def poll(self) -> list[News]:
        """Poll all job directories. Runs in a thread."""
        found = {job.name: job for job in jobs.listed(self._folder)[:REMEMBERED]}
        self._tails = {name: self._tails.get(name) or _Tail(found[name]) for name in sorted(found)}
        return [news for tail in self._tails.values() if (news := tail.poll()) is not None]

    def apply(self, found: list[News]) -> list[JobView]:
        """Update the views with news; returns those that changed. Runs on the event loop."""
        now, changed = time.monotonic(), []
        for news in found:
            view = self.views.get(news.job.name)
            if view is None:
                view = self.views[news.job.name] = JobView(news.job, news.settings)
            view.take(news, now)
            changed.append(view)
        return changed

    def newest(self, kind: str = "") -> list[JobView]:
        """Return the jobs of a kind (all if empty), newest first."""
        views = (self.views[name] for name in sorted(self.views, reverse=True))
        return [view for view in views if not kind or view.settings.kind == kind]

    def running(self) -> list[JobView]:
        """Return the running jobs, newest first."""
        return [view for view in self.newest() if view.running]
