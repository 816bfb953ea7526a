"""The settings of a person: looks and language, kept for all projects as soon as they change."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import ClassVar, get_args

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Select, Static

from prep import language
from prep.captions.translations import read_translations
from prep.errors import UserError
from prep.language import _, marked, translated
from prep.system.names import with_home
from tui.language_choice import NAMES
from tui.notices import report
from tui.preferences import preferences_file, read_preferences, save_preference
from tui.terminal import ImageMode

_ABOUT_TRANSLATIONS = marked(
    "A CSV file (tag,translation), taken with enter: shown beside tags, and found while you type."
)


class Settings(ModalScreen[None]):
    """Theme, pictures and language, each with what it does; keys, and where they are changed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, themes: Sequence[str], theme: str, keys: Mapping[str, str]) -> None:
        """Make the screen.

        Args:
            themes: Names of all themes.
            theme: That in use.
            keys: Keys that differ from those of the application, by the ids of commands.
        """
        super().__init__()
        self._themes, self._theme, self._keys = themes, theme, keys

    def compose(self) -> ComposeResult:
        """Compose the choices."""
        known = read_preferences().preferences
        with VerticalScroll(classes="dialog settings", can_focus=False) as dialog:
            dialog.border_title = _("Settings")
            dialog.border_subtitle = _("esc closes; changes are kept at once")
            yield from self._choice(
                "theme", _("theme"), [(n, n) for n in self._themes], self._theme, _("At once.")
            )
            yield from self._choice(
                "images",
                _("pictures"),
                [(mode, mode) for mode in get_args(ImageMode)],
                known.images,
                _("auto: what the terminal can show. From the next start on."),
            )
            codes = [(NAMES.get(code, code), code) for code in language.available()]
            yield from self._choice(
                "language",
                _("language"),
                [(_("that of the system"), ""), *codes],
                known.language if known.language in language.available() else "",
                _("From the next start on."),
            )
            with Horizontal(classes="settings-row"):
                yield Label(_("translations"), classes="field-label")
                yield Input(known.translations, compact=True, id="translations")
            yield Static(Content(_(_ABOUT_TRANSLATIONS)), classes="hint", id="translations-hint")
            yield Label(_("keys"), classes="field-label")
            yield Static(Content(self._about_keys()), id="keys-text")

    def _choice(
        self, name: str, label: str, options: list[tuple[str, str]], value: str, hint: str
    ) -> ComposeResult:
        with Horizontal(classes="settings-row"):
            yield Label(label, classes="field-label")
            yield Select(options, value=value, allow_blank=False, compact=True, id=name)
        yield Static(Content(hint), classes="hint")

    def _about_keys(self) -> str:
        lines = [f"  {name}  {keys}" for name, keys in sorted(self._keys.items())]
        where = _("{file} changes them, by the names that ? shows:").format(file=preferences_file())
        example = '  [keys.images]\n  exclude = "delete,x"'
        changed = [_("Changed now:"), *lines] if lines else []
        return "\n".join([where, example, *changed])

    def on_mount(self) -> None:
        """Begin with the first choice."""
        self.query_one("#theme", Select).focus()

    @on(Input.Submitted, "#translations")
    @on(Input.Blurred, "#translations")
    @work(group="keep-translations", exclusive=True)
    async def keep_translations(self, event: Input.Submitted | Input.Blurred) -> None:
        """Use and keep a file of translations, unless it is not one."""
        name, hint = event.value.strip(), self.query_one("#translations-hint", Static)
        if name == read_preferences().preferences.translations:
            return
        try:
            file = with_home(name).absolute()
            found = await asyncio.to_thread(read_translations, file) if name else None
            save_preference("translations", str(file) if name else "")
        except UserError as error:
            text = translated(f"{error.message}\n{error.hint}".strip())
            hint.update(Content.assemble((text, "$text-error")))
            return
        count = _("{count} translations").format(count=len(found)) if found else ""
        hint.update(Content(f"✓ {count}" if count else _(_ABOUT_TRANSLATIONS)))
        await self.app.run_action("read_translations")

    @on(Select.Changed)
    def keep(self, event: Select.Changed) -> None:
        """Use and keep what was chosen."""
        name, value = event.select.id or "", str(event.value)
        if name == "theme":
            self.app.theme = value  # which is kept whoever changes it
            return
        known: object = getattr(read_preferences().preferences, name)
        if value != known:
            try:
                save_preference(name, value)
            except UserError as error:
                report(self, error)
