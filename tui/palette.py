"""The command palette: the commands that work on the current screen."""

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui import commands


class TableProvider(Provider):
    """Offers the commands of the application and of the current stage."""

    def _commands(self) -> list[commands.Command]:
        mode = str(getattr(self.screen, "MODE", ""))
        return commands.of("app", mode) if mode else commands.of("app")

    async def discover(self) -> Hits:
        """Offer all commands before anything is typed."""
        for command in self._commands():
            yield DiscoveryHit(self._title(command), self._run(command), help=command.help)

    async def search(self, query: str) -> Hits:
        """Offer matching commands."""
        matcher = self.matcher(query)
        for command in self._commands():
            title = self._title(command)
            score = max(matcher.match(title), matcher.match(command.help) * 0.8)
            if score > 0:
                yield Hit(score, matcher.highlight(title), self._run(command), help=command.help)

    def _title(self, command: commands.Command) -> str:
        return f"{command.title}  ({command.label(getattr(self.app, 'keys', {}))})"

    def _run(self, command: commands.Command) -> "commands.Run":
        screen, app = self.screen, self.app

        async def run() -> None:
            await app.run_action(command.action, app if command.scope == "app" else screen)

        return run
