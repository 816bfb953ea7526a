"""The taggers: size, licence, whether they are here, what they scored, and where they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static
from textual.worker import Worker

from prep import events
from prep.errors import UserError
from prep.language import _, ngettext, translated
from prep.ops import compare, models
from prep.ops.compare import CompareOptions
from prep.ops.models import ModelOptions
from prep.ops.score_options import ScoreOptions
from prep.ops.threshold_trial import Chosen, votes
from prep.project import Project
from prep.tagging.scores.ensemble import Combine
from prep.tagging.scores.presets import PRESETS
from prep.tagging.scores.taggers import stored
from tui import commands
from tui.about import size_text
from tui.jobs.follow import JobView
from tui.jobs.operations import watched
from tui.session import Session
from tui.widgets.clipped import Clipped
from tui.widgets.job_strip import bar
from tui.widgets.line_list import ItemList, LineList, Piece, cell

_BAR = 10
_PLACE, _NAME, _SIZE, _SCORED = 9, 34, 9, 8
"""Terminal cells of the columns."""
_COMBINE: tuple[Combine, ...] = get_args(Combine)
DOWNLOAD = "models"
"""Kind of the job that downloads a tagger."""


@dataclass(frozen=True)
class TaggerLine:
    """A tagger in the list, or a detector of heads.

    Attributes:
        name: With which it is asked for.
        known: What the catalogue says; ``None`` for one that only has scores here.
        scored: Number of images that it has scored.
    """

    name: str
    known: events.KnownTagger | events.KnownDetector | None
    scored: int = 0

    @property
    def here(self) -> bool:
        """Whether it can run without a download."""
        return self.known is not None and self.known.cached

    @property
    def tags(self) -> bool:
        """Whether it is a tagger."""
        return not isinstance(self.known, events.KnownDetector)


class TaggerPanel(Vertical):
    """A list of taggers, several of which may be chosen, and how the chosen ones agree."""

    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("taggers")

    @dataclass
    class Used(Message):
        """The user has chosen which taggers decide."""

        names: tuple[str, ...]
        combine: Combine

    @dataclass
    class Wanted(Message):
        """The user wants to download a tagger."""

        line: TaggerLine

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.session = session
        self._lines: list[TaggerLine] = []
        self._chosen: list[str] = []
        self._combine: Combine = "union"
        self._downloads: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Compose list, facts and agreement."""
        yield ItemList(
            id="taggers",
            heading=_heading(),
            loading=_("looking at the disk…"),
        )
        with Horizontal(id="tagger-look"):
            yield Clipped(id="tagger-facts")
            with Vertical(id="tagger-votes"):
                yield Clipped(id="agreement-title")
                yield ItemList(id="agreements")

    # ---- listing -------------------------------------------------------------------------

    @work(group="taggers", exclusive=True, exit_on_error=False)
    async def open(self, names: Sequence[str], combine: Combine) -> None:
        """List the taggers.

        Args:
            names: Those that decide now.
            combine: How they do.
        """
        self._chosen, self._combine = [name for name in names if name], combine
        listing: Worker[list[events.KnownTagger | events.KnownDetector]] = self._known()
        known = await listing.wait()
        scored = await self.session.counts.run(stored)
        lines: list[TaggerLine] = []
        for one in known:
            own = [tagger for tagger in scored if tagger.is_called(one.name)]
            scored = [tagger for tagger in scored if tagger not in own]
            lines.append(TaggerLine(one.name, one, max((each.images for each in own), default=0)))
        others = [TaggerLine(each.name, None, each.images) for each in scored]
        # Those that can be used at once come first; the catalogue's order stays otherwise.
        lines = sorted(
            [*others, *lines], key=lambda one: (not one.tags, not one.scored, not one.here)
        )
        self._lines = lines
        self._write()
        self._compare()

    @work(group="known-taggers", thread=True, exclusive=True, exit_on_error=False)
    def _known(self) -> list[events.KnownTagger | events.KnownDetector]:
        found = watched(models.run(ModelOptions()))
        kinds = events.KnownTagger | events.KnownDetector
        return [event for event in found if isinstance(event, kinds)]

    def _write(self) -> None:
        self.query_one("#taggers", ItemList).show([self._pieces(one) for one in self._lines])

    def _pieces(self, line: TaggerLine) -> list[Piece]:
        known = line.known
        chosen = self._is_chosen(line)
        place = self._downloads.get(line.name, "")
        if not place:
            place = "✓" if line.here else "·"
        size = size_text(known.bytes) if known and known.bytes else ""
        licence = (known.licence or _("not stated")) if known else ""
        note = "" if line.tags else _(" · finds heads")
        if isinstance(known, events.KnownTagger) and known.gated:
            note = _(" · ask its authors first")
        return [
            (" ● " if chosen else "   ", "key" if chosen else ""),
            (cell(place, _PLACE), "good" if line.here else "dim"),
            (cell(line.name, _NAME), "title" if chosen else ""),
            (f"{size:>{_SIZE}}", "dim"),
            (f"{line.scored or '':>{_SCORED}}  ", "good" if line.scored else "dim"),
            (licence + note, "dim"),
        ]

    def _is_chosen(self, line: TaggerLine) -> bool:
        names = {name.rpartition("/")[2] for name in self._chosen}
        return line.name.rpartition("/")[2] in names

    def job_changed(self, view: JobView) -> None:
        """Show how far a download has come; list again when it has ended."""
        name = view.title.rpartition(" ")[2]
        if view.active:
            share = bar(view.done, view.total, 8) if view.total else "…"
            self._downloads[name] = share
        elif self._downloads.pop(name, None) is not None:
            self.open(self._chosen, self._combine)
        self._write()

    # ---- choosing ------------------------------------------------------------------------

    @property
    def _line(self) -> TaggerLine | None:
        place = self.query_one("#taggers", ItemList).cursor
        return self._lines[place] if place < len(self._lines) else None

    @on(LineList.Moved, "#taggers")
    def _show_facts(self) -> None:
        line = self._line
        self.query_one("#tagger-facts", Static).update(
            Content("\n".join(facts(line)) if line else "")
        )

    @on(LineList.Chosen, "#taggers")
    def _use_one(self) -> None:
        line = self._line
        if line is not None and self._decides(line):
            self._chosen = [line.name]
            self._tell()

    def _decides(self, line: TaggerLine) -> bool:
        """Return whether a line may be chosen; say what it is for if not."""
        if not line.tags:
            text = _("{name} finds heads, not tags: choose it as head_detector in [crops].")
            self.app.notify(text.format(name=line.name))
        return line.tags

    def action_also(self) -> None:
        """Let the tagger under the cursor decide as well, or no longer."""
        line = self._line
        if line is None or not self._decides(line):
            return
        if self._is_chosen(line):
            short = line.name.rpartition("/")[2]
            self._chosen = [n for n in self._chosen if n.rpartition("/")[2] != short]
        else:
            self._chosen.append(line.name)
        self._tell()

    def action_combine(self) -> None:
        """Combine several taggers in the next way."""
        place = _COMBINE.index(self._combine)
        self._combine = _COMBINE[(place + 1) % len(_COMBINE)]
        self._tell()

    def action_download(self) -> None:
        """Download the tagger under the cursor."""
        line = self._line
        if line is not None and not line.here:
            self.post_message(self.Wanted(line))
        elif line is not None:
            self.app.notify(_("{name} is on this machine.").format(name=line.name))

    def _tell(self) -> None:
        self._write()
        self.post_message(self.Used(tuple(self._chosen), self._combine))
        self._compare()

    # ---- comparing -----------------------------------------------------------------------

    @work(group="agreement", exclusive=True, exit_on_error=False)
    async def _compare(self) -> None:
        title = self.query_one("#agreement-title", Static)
        table = self.query_one("#agreements", ItemList)
        table.show([])
        names = [line.name for line in self._lines if self._is_chosen(line)]
        unscored = [one.name for one in self._lines if self._is_chosen(one) and not one.scored]
        if len(names) < 2:
            text = _(
                "enter uses the tagger under the cursor, ctrl+t tags with it."
                " space lets several decide; here is then where they differ."
            )
            title.update(Content(text))
            return
        if unscored:
            text = _("{names} has not scored these images: run it first (f, ctrl+t)")
            title.update(Content(text.format(names=", ".join(unscored))))
            return
        project = self.session.project
        asked = ScoreOptions(model=names[0], also=tuple(names[1:]))
        try:
            counts = await self.session.trials.run(lambda i: votes(project, i, asked, Chosen()))
            comparing: Worker[list[events.Agreement]]
            comparing = self._agreements(project, names[0], names[1])
            found = await comparing.wait()
        except UserError as error:
            title.update(Content(translated(f"{error.message} {error.hint}")))
            return
        title.update(Content(self._votes_text(names, counts)))
        columns = (_("both"), _("left"), _("right"))
        heading = "".join(cell(column, 7, right=True) for column in columns) + f"  {_('tag')}"
        table.show([[(heading, "dim")], *map(_agreement, found)])

    def _votes_text(self, names: Sequence[str], counts: dict[Combine, int]) -> str:
        lines = [_("left: {left}   right: {right}").format(left=names[0], right=names[1])]
        if len(names) > 2:
            more = len(names) - 2
            lines.append(ngettext("and {n} more votes", "and {n} more vote", more).format(n=more))
        parts = [f"{'●' if how == self._combine else ' '}{how} {n:,}" for how, n in counts.items()]
        lines.append(_("tags by way to combine (c): {ways}").format(ways="  ".join(parts)))
        return "\n".join(lines)

    @work(group="agreements", thread=True, exclusive=True, exit_on_error=False)
    def _agreements(self, project: Project, first: str, second: str) -> list[events.Agreement]:
        options = CompareOptions(model=first, also=(second,), show=200, images=0)
        found = watched(compare.run(project, options))
        return [event for event in found if isinstance(event, events.Agreement)]


def _heading() -> str:
    place, name = cell(_("on disk"), _PLACE), cell(_("tagger"), _NAME)
    size, scored = cell(_("size"), _SIZE, right=True), cell(_("scored"), _SCORED, right=True)
    return f"   {place}{name}{size}{scored}  {_('licence')}"


def _agreement(event: events.Agreement) -> list[Piece]:
    return [
        (f"{event.both:>7}", "dim"),
        (f"{event.first or '·':>7}", "warn" if event.first else "dim"),
        (f"{event.second or '·':>7}  ", "warn" if event.second else "dim"),
        (event.tag, ""),
    ]


def _of_thresholds(known: events.KnownTagger) -> list[str]:
    found = []
    if known.gated:
        found.append(_("its authors give it to those who accept its terms on its page"))
    text = _("thresholds: general {general:g}, character {character:g}")
    found.append(text.format(general=known.general, character=known.character))
    return [*found, _("({text})").format(text=_(known.point))] if known.point else found


def facts(line: TaggerLine) -> list[str]:
    """Return what is known about a tagger, a line each."""
    found = [line.name]
    known = line.known
    if known is not None:
        found.append(translated(known.source))
        size = size_text(known.bytes) if known.bytes else _("size unknown")
        where = _("on this machine") if known.cached else _("not downloaded: d gets it")
        found.append(f"{size} · {where}")
        found.append(_("licence: {licence}").format(licence=known.licence or _("not stated")))
        if isinstance(known, events.KnownTagger):
            found += _of_thresholds(known)
        else:
            found.append(_("finds heads, for crops and checks: head_detector in [crops]"))
    elif line.name in PRESETS:
        found.append(", ".join(PRESETS[line.name].taggers))
    if line.scored:
        text = ngettext("has scored {n} image", "has scored {n} images", line.scored)
        found.append(text.format(n=line.scored))
    return found
