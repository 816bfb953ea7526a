"""The parts of the plan that take long: the check and the memory, as processes of their own."""

from collections.abc import Iterator

from textual import on, work
from textual.content import Content
from textual.widget import Widget

from prep import events
from prep.language import _
from tui.notices import tell
from tui.screens.plan import words
from tui.stage_screen import StageScreen
from tui.verbs.ending import run_ended
from tui.verbs.runs import Run, ShortRun
from tui.widgets.clipped import Clipped
from tui.widgets.line_list import ItemList, LineList


class PlanRuns(StageScreen):
    """Findings of ``shikomi check``, and what ``shikomi plan --memory`` says."""

    _found: dict[str, list[events.Finding]]
    _visited: dict[str, int]
    _checked = False

    def findings_body(self) -> Iterator[Widget]:
        """Make the widgets."""
        self._found, self._visited = {}, {}
        yield ItemList(
            id="findings",
            heading="  " + _("findings of the check"),
            empty=_("c looks for what trainers would stumble over"),
        )
        yield Clipped(id="finding")

    async def save_form(self) -> bool:
        """Write the settings that were changed; return whether to go on."""
        raise NotImplementedError

    # ---- check ---------------------------------------------------------------------------

    @work(group="check", exclusive=True, exit_on_error=False)
    async def action_check(self) -> None:
        """Look for problems of the dataset."""
        await self._check([])

    async def _check(self, options: list[str]) -> None:
        self._say_check(_("looking…"))
        root = str(self.session.project.root)
        run = ShortRun("check", ["check", root, "--json", *options], writes="--fix" in options)

        def ended(run: Run) -> None:
            if run.edit:
                run_ended(self.app, self.session, run)

        await run.follow(ended)
        if isinstance(run.end, events.Failed):
            self._say_check(f"× {run.end.message}")
            return
        if "--only" in options:  # it has told only what is left of one kind
            await self._check([])
            return
        self._checked = True
        self._found = words.grouped(run.findings)
        listed = self.query_one("#findings", ItemList)
        listed.empty = _("✓ nothing found")
        listed.show([words.finding_line(found) for found in self._found.values()])

    def _say_check(self, text: str) -> None:
        listed = self.query_one("#findings", ItemList)
        listed.empty = text
        listed.show([])
        self.query_one("#finding", Clipped).update(Content(""))

    @property
    def _finding(self) -> list[events.Finding]:
        """The findings under the cursor."""
        place = self.query_one("#findings", ItemList).cursor
        kinds = list(self._found.values())
        return kinds[place] if place < len(kinds) else []

    @on(LineList.Moved, "#findings")
    def finding_moved(self) -> None:
        """Explain the finding."""
        found = self._finding
        text = words.finding_text(found) if found else ""
        self.query_one("#finding", Clipped).update(Content(text))

    @work(group="check", exclusive=True, exit_on_error=False)
    async def action_fix(self) -> None:
        """Fix what is fixed safely of the findings under the cursor."""
        found = self._finding
        if not any(each.fixable for each in found):
            hint = found[0].fix if found else _("c looks for findings.")
            tell(self, _("Nothing here is fixed automatically."), hint)
            return
        await self._check(["--fix", "--only", found[0].code])

    @on(LineList.Chosen, "#findings")
    async def action_to_image(self) -> None:
        """Go to the next image of the finding under the cursor."""
        found = [each for each in self._finding if each.path]
        if not found:
            tell(self, _("This finding is about no single image."))
            return
        code = found[0].code
        place = self._visited.get(code, -1) + 1
        self._visited[code] = place
        path = found[place % len(found)].path
        row = await self.session.rows.run(lambda index: index.get(path))
        if row is None:
            tell(self, _("{path} is not an image in the list.").format(path=path))
            return
        self.session.wanted = path
        await self.app.run_action("go('images')")

    # ---- memory --------------------------------------------------------------------------

    @work(group="memory", exclusive=True, exit_on_error=False)
    async def action_memory(self) -> None:
        """Calculate the memory of the run, with the settings as they are in the form."""
        if not await self.save_form():
            return
        self._say_memory(_("calculating the memory, 10 s to a few minutes…"))
        root = str(self.session.project.root)
        run = ShortRun("plan", ["plan", root, "--memory", "--json"], writes=False)
        await run.follow(lambda _run: None)
        if isinstance(run.end, events.Finished) and "memory" in run.end.summary:
            self._say_memory(words.memory_words(run.end.summary["memory"]))
        elif isinstance(run.end, events.Failed):
            self._say_memory(f"× {run.end.message} {run.end.hint}".strip())
        else:
            self._say_memory("\n".join(run.lines[-2:]) or run.outcome())

    def _say_memory(self, text: str) -> None:
        self.query_one("#plan-memory", Clipped).update(Content(text))
