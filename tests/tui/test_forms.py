"""What is typed into forms, and the command lines that they make."""

import pytest

from prep.ops.tag import TagOptions
from prep.project import Project
from train.config import TrainSettings
from tui.jobs.launch import command
from tui.widgets.form import Form, fields_of


def test_tables_and_lists_are_typed_as_text() -> None:
    fields = fields_of(TagOptions)
    assert fields["tags"].write({"smile": 0.5, "1girl": 0.3}) == "smile = 0.5 || 1girl = 0.3"
    assert fields["tags"].read("smile = 0.5 || ^_^=0.3") == {"smile": "0.5", "^_^": "0.3"}
    assert fields["tags"].read("") == {}
    assert fields["also"].read("one || two") == ("one", "two")
    assert fields["general"].read("") is None


def test_a_form_gives_the_same_options_as_its_command_line() -> None:
    options = TagOptions(also=("one", "two"), tags={"=_=": 0.5}, mcut=True, where="hat", top=3)
    argv = command("tag", "my project", options, dry=True)
    assert argv[3:6] == ["tag", "my project", "--json"]
    assert argv[6:] == [
        *("--where", "hat", "--also", "one", "--also", "two", "--tags.=_=", "0.5", "--mcut"),
        *("--top", "3", "--dry-run"),
    ]


def test_an_entry_that_was_taken_out_of_a_table_is_gone_after_saving(project: Project) -> None:
    before = project.saved({"train": {"optimizer_args": {"amsgrad": True, "eps": 1e-3}}})
    form = Form(TrainSettings, TrainSettings.from_project(before).model_dump())
    typed = fields_of(TrainSettings)["optimizer_args"].read("eps = 1e-4")
    changes = form.changed(TrainSettings(optimizer_args=typed))
    after = before.saved({"train": changes})
    assert TrainSettings.from_project(after).optimizer_args == {"eps": 1e-4}
    gone = form.changed(TrainSettings())
    assert "optimizer_args" not in after.saved({"train": gone}).settings.train


@pytest.mark.parametrize("typed", ["smile", "smile = much"])
def test_a_broken_table_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"smile|valid number"):
        TagOptions.model_validate({"tags": fields_of(TagOptions)["tags"].read(typed)})
