"""What is typed into forms, and the command lines that they make."""

import pytest

from prep.ops.tag import TagOptions
from tui.jobs.launch import command
from tui.widgets.form import fields_of


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


@pytest.mark.parametrize("typed", ["smile", "smile = much"])
def test_a_broken_table_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"smile|valid number"):
        TagOptions.model_validate({"tags": fields_of(TagOptions)["tags"].read(typed)})
