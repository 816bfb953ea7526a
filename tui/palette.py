"""The command palette: the commands that work on the current screen, and every verb."""

import asyncio

from textual import on
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.widgets import Input

from prep.language import _
from tui import commands
from tui.verbs.options import verbs
from tui.verbs.table import Verb


class Palette(CommandPalette):
    """Textual's, whose enter never takes what was found for fewer letters than are typed."""

    @on(Input.Submitted)
    async def find_first(self) -> None:
        """Wait for the search that is under way; Textual's own handler comes after this one."""
        group = self._GATHER_COMMANDS_GROUP
        searches = [w.wait() for w in self.workers if w.group == group and w.node is self]
        await asyncio.gather(*searches, return_exceptions=True)


class TableProvider(Provider):
    """Offers the commands of the application and of the current stage, then the verbs.

    All in one provider, since those of several are mixed.
    """

    def _commands(self) -> list[commands.Command]:
        mode = str(getattr(self.screen, "MODE", ""))
        found = commands.of("app", mode) if mode else commands.of("app")
        return [command for command in found if command.action != "command_palette"]

    async def discover(self) -> Hits:
        """Offer all commands before anything is typed, the verbs by the stages of the work."""
        for command in self._commands():
            yield DiscoveryHit(self._title(command), self._run(command), help=_(command.help))
        for stage, verb in verbs():
            yield DiscoveryHit(_title(verb), self._open(verb), help=_help(stage, verb))

    async def search(self, query: str) -> Hits:
        """Offer matching commands."""
        matcher = self.matcher(query)
        for command in self._commands():
            title = self._title(command)
            # Also by its English name, which the documents use.
            english = matcher.match(command.title) * 0.9
            score = max(matcher.match(title), matcher.match(_(command.help)) * 0.8, english)
            if score > 0:
                yield Hit(score, matcher.highlight(title), self._run(command), help=_(command.help))
        for stage, verb in verbs():
            title, text = _title(verb), _help(stage, verb)
            found = matcher.match(verb.name), matcher.match(title) * 0.9, matcher.match(text) * 0.8
            if max(found) > 0:
                shown = matcher.highlight(title)
                yield Hit(max(found), shown, self._open(verb), text=title, help=text)

    def _title(self, command: commands.Command) -> str:
        return f"{_(command.title)}  ({command.label(getattr(self.app, 'keys', {}))})"

    def _run(self, command: commands.Command) -> "commands.Run":
        screen, app = self.screen, self.app

        async def run() -> None:
            await app.run_action(command.action, app if command.scope == "app" else screen)

        return run

    def _open(self, verb: Verb) -> "commands.Run":
        app = self.app

        async def run() -> None:
            await app.run_action(f"verb({verb.name!r})", app)

        return run


def _title(verb: Verb) -> str:
    return f"shikomi {verb.name}"


def _help(stage: str, verb: Verb) -> str:
    return f"{_(verb.help)}  ({_(stage)})"
