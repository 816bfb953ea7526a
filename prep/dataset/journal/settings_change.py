"""Changes of ``shikomi.toml`` as changes of the journal, so that they are undone like any edit."""

from collections.abc import Mapping
from typing import Any

from prep.dataset.journal.changes import Change, content_change
from prep.project import FILE_NAME, Project


def settings_change(project: Project, changes: Mapping[str, Any]) -> tuple[Change, Project]:
    """Return the change that merges settings into ``shikomi.toml``, and the project after it.

    Args:
        project: The project; nothing is written.
        changes: Nested tables, as in ``Project.with_changes``.

    Raises:
        ConfigError: The result is not valid.
    """
    before = project.file.read_bytes() if project.file.exists() else None
    text, settings = project.with_changes(changes)
    return content_change(FILE_NAME, before, text.encode()), Project(project.root, settings)
