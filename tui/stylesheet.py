"""Stylesheets that are parsed once: Textual would do it again for each stage that is opened."""

from textual.css.stylesheet import Stylesheet


class ParsedOnce(Stylesheet):
    """Keeps what is parsed until the colours change."""

    def set_variables(self, variables: dict[str, str]) -> None:
        """Use other colours, unless they are the same."""
        if variables != self._variables:
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parse what is not parsed yet."""
        self.parse()
