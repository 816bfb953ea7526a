"""Settings that operations write into shikomi.toml are undone like any edit."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prep import events
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError, RetryError, UserError
from prep.ops import concept, edit, importing, plan, scan
from prep.ops.concept import ConceptOptions
from prep.ops.plan import PlanOptions
from prep.project import Project
from tests.conftest import MakeImage, draw_numbered


def set_concept(project: Project, **given: Any) -> dict[str, Any]:
    *_, last = concept.run(project, "10_mochi", ConceptOptions(**given))
    assert isinstance(last, events.Finished)
    return last.summary


def test_what_is_set_is_shown_and_taken_back(project: Project) -> None:
    before = project.file.read_bytes()
    shown = set_concept(project, trigger="mochi", repeats=4, prune=("blue eyes",))
    expected = {"trigger": "mochi", "repeats": 4, "prune": ("blue eyes",), "regularization": False}
    assert shown == {"folder": "10_mochi", **expected, "edit": 1}
    assert "# shikomi project." in project.file.read_text()
    again = Project.open(project.root)
    assert set_concept(again) == {"folder": "10_mochi", **expected, "edit": 0}
    assert set_concept(again, trigger="mochi")["edit"] == 0
    with Index(again) as index:
        titles = [one.title for one in Journal(index).history()]
    assert titles == ["set 10_mochi: trigger mochi, repeats 4, prune blue eyes"]
    list(edit.undo(again))
    assert project.file.read_bytes() == before
    list(edit.redo(again))
    assert Project.open(project.root).concept("10_mochi").trigger == "mochi"


def test_nothing_is_written_that_is_not_valid(project: Project) -> None:
    with pytest.raises(UserError, match="no folder no_such"):
        list(concept.run(project, "no_such", ConceptOptions(trigger="x")))
    project.file.write_text("[project")
    with pytest.raises(ConfigError, match="not valid TOML"):
        set_concept(project, trigger="x")
    assert project.file.read_text() == "[project"


def test_a_file_saved_meanwhile_stays(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Journal.apply

    def saving(self: Journal, *given: Any) -> Any:
        project.file.write_text('[project]\nname = "mine"\n')
        return real(self, *given)

    monkeypatch.setattr(Journal, "apply", saving)
    with pytest.raises(RetryError, match=r"shikomi.toml was not changed"):
        set_concept(project, trigger="x")
    assert project.file.read_text() == '[project]\nname = "mine"\n'


def test_balanced_repeats_are_taken_back(project: Project, make_image: MakeImage) -> None:
    for number in range(6):
        make_image(f"{'10_mochi' if number else '1_other'}/{number}.png", number, caption="x")
    list(scan.run(project))
    before = project.file.read_bytes()
    list(plan.run(project, PlanOptions(balance=True, apply=True)))
    assert project.file.read_bytes() != before
    list(edit.undo(project))
    assert project.file.read_bytes() == before


KILLED = """
import os, signal, sys
from pathlib import Path
from prep.dataset.journal import changes
from prep.ops import importing
changes.write_bytes = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
list(importing.run(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def test_an_import_changes_settings_only_through_the_journal(
    project: Project, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "img").mkdir(parents=True)
    draw_numbered(1, (64, 64)).save(source / "img" / "a.png")
    (source / "dataset.toml").write_text(
        '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "img"\nnum_repeats = 7\n'
        'class_tokens = "trig"\n'
    )
    before = project.file.read_bytes()
    given = [str(project.root), str(source / "dataset.toml")]
    done = subprocess.run([sys.executable, "-c", KILLED, *given], stdin=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL
    assert project.file.read_bytes() == before  # recorded, not written
    list(importing.run(Path(given[0]), Path(given[1])))
    assert b"trig" in project.file.read_bytes()
    with Index(project) as index:
        journal = Journal(index)
        while journal.undo().edit:
            pass
    assert project.file.read_bytes() == before
    assert not list(project.dataset.rglob("*.png"))
    assert not list(project.root.rglob(".shikomi-*"))
