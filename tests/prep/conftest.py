from pathlib import Path

import pytest

from prep.project import Project


@pytest.fixture
def out(project: Project) -> Path:
    """Return where an export goes by default."""
    return project.output / "dataset"
