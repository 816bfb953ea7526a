"""The translations of tags that a person has chosen: read late, in a thread, and only if chosen."""

import asyncio
from typing import TYPE_CHECKING

from textual import work

from prep.captions.translations import Translations, read_translations
from prep.system.names import with_home
from tui.base_app import BaseApp
from tui.preferences import read_preferences

if TYPE_CHECKING:
    from tui.session import Session


class TranslatingApp(BaseApp):
    """Gives the session the translations, after the images were found."""

    session: "Session"
    _read = False

    def on_mount(self) -> None:
        """Wait for the images: the list of them comes first."""
        self.session.dataset_changed.subscribe(self, self._begin_to_translate)

    def _begin_to_translate(self, reason: str) -> None:
        if reason == "scanned" and not self._read:
            self._read = True
            self.action_read_translations()

    @work(group="translations", exclusive=True, exit_on_error=False)
    async def action_read_translations(self) -> None:
        """Read the file of translations that is chosen, and show them."""
        found = await asyncio.to_thread(_chosen)
        if found is not self.session.translations:
            self.session.translations = found
            self.session.translated.publish(None)


def _chosen() -> Translations | None:
    """Return the translations of this person.

    Raises:
        UserError: The file cannot be read, or has none.
    """
    name = read_preferences().preferences.translations
    return read_translations(with_home(name)) if name else None
