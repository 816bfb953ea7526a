"""A ``shikomi.toml`` from a stranger."""

import tempfile
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import example, given
from hypothesis import strategies as st

from prep.project import Project, read_settings
from prep.project import Settings as ProjectSettings
from tests.prep.fuzzing import VALUES, answers_or_explains, damaged

WHOLE = b"""[project]
name = "mochi"
resolution = 512
[concepts."10_mochi"]
trigger = "mochi"
repeats = 10
[captions.regex]
"(.*) hat" = "hat"
[train]
rank = 8
"""


def read(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "shikomi.toml"
        file.write_bytes(data)
        answers_or_explains(lambda: read_settings(file))
        answers_or_explains(lambda: Project.open(Path(folder)).concept("10_mochi"))


@given(damaged(WHOLE))
@example(b"a = " + b"[" * 20_000)
@example(b"[" + b"a." * 20_000 + b"a]")
@example(b"[project]\nresolution = 1" + b"0" * 5000)
@example(b"[project]\nname = '\0'")
@example(b"a = {" * 5000)
def test_text(data: bytes) -> None:
    read(data)


@given(
    st.dictionaries(
        st.sampled_from(sorted(ProjectSettings.model_fields)),
        st.dictionaries(st.text(max_size=6), VALUES, max_size=3),
        max_size=3,
    )
)
def test_values(values: dict[str, Any]) -> None:
    try:
        data = tomlkit.dumps(values).encode()
    except (ValueError, TypeError):  # nothing that a file can hold
        return
    read(data)
