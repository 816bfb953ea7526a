"""What the tests of translations share."""

from prep.project import Project
from train.kohya.translation import Translation, translate


def translated(project: Project, text: str, name: str = "config.toml") -> Translation:
    """Translate a text, as a file of the project's folder."""
    file = project.root / name
    file.write_text(text)
    return translate(file, project)


def outcomes(found: Translation) -> dict[str, tuple[str, str]]:
    """Return what became of each argument, and what is told of it."""
    return {line.argument: (line.outcome, line.text) for line in found.lines}
