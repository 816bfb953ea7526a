import pytest

from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError, UnreadableError
from prep.project import Project
from train.lora.file import serialise
from train.sampling.winner import Winner, name_of, pick, read_winner
from tui.command_line import app


def test_a_winner_is_remembered_replaced_and_taken_back(project: Project) -> None:
    folder = project.output / "lora"
    folder.mkdir(parents=True)
    for name in ("mochi", "mochi-000004"):
        (folder / f"{name}.safetensors").write_bytes(serialise({}, {}))
    (folder / "page.safetensors").write_text("<html>")
    assert read_winner(project) is None
    with Index(project) as index:
        pick(project, index, "mochi:0.8", "output/samples/1.png")
        first = read_winner(project)
        assert first == Winner(
            lora="output/lora/mochi.safetensors", strength=0.8, picture="output/samples/1.png"
        )
        assert name_of(first) == "mochi:0.8"
        done = pick(project, index, "mochi-000004")
        second = read_winner(project)
        assert second is not None
        assert name_of(second) == "mochi-000004:1"
        Journal(index).undo(done.edit)
        assert read_winner(project) == first
        with pytest.raises(ConfigError, match="no LoRA"):
            pick(project, index, "nobody:0.8")
        with pytest.raises(UnreadableError, match="a web page"):
            pick(project, index, "page")
    (project.output / "winner.toml").write_text("lora = 7")
    assert read_winner(project) is None


def test_the_verb_picks_and_shows(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project.output / "lora"
    folder.mkdir(parents=True)
    (folder / "mochi.safetensors").write_bytes(serialise({}, {}))

    def say(*words: str) -> str:
        app(["lora", "pick", str(project.root), *words])
        found = capsys.readouterr()
        return found.out + found.err

    assert "Nothing was picked yet" in say()
    assert "output/lora/mochi.safetensors at 0.7" in say("--lora", "mochi:0.7")
    assert "output/lora/mochi.safetensors at 0.7" in say()
