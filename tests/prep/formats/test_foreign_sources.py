"""Sources of somebody else put nothing outside of the dataset, whatever names they use."""

import json
from pathlib import Path

import pytest

from prep.errors import ConfigError
from prep.ops import allow, importing
from prep.project import Project
from prep.project.creation import initialise
from tests.conftest import MakeImage
from tests.prep.exporting import run, summary
from tests.prep.trees import files, picture, skipped, take
from train.sampling.options import GridOptions, SampleOptions, folder_for


@pytest.mark.parametrize("kind", ["jsonl", "toml", "json"])
def test_names_in_metadata_stay_in_their_concept(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    picture(source / "img" / "a.png", 1)
    outside = picture(tmp_path / "other" / "b.png", 2)
    names = ["img/a.png", "img/../../other/b.png", str(outside), "../other/b.png"]
    if kind == "jsonl":
        rows = [json.dumps({"file_name": name, "text": "x"}) for name in names]
        (source / "metadata.jsonl").write_text("\n".join(rows))
        given = source / "metadata.jsonl"
    else:
        meta = {name: {"caption": "x"} for name in names}
        (source / "meta.json").write_text(json.dumps(meta))
        given = source / "dataset.toml"
        given.write_text(
            '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "img"\nmetadata_file = "meta.json"\n'
            if kind == "json"
            else '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "img/../../other"\n'
        )
    before = {path for path in tmp_path.rglob("*") if target not in path.parents}
    take(given, target)
    after = {path for path in tmp_path.rglob("*") if target not in path.parents}
    assert after - before <= {target}
    assert {path.name for path in target.iterdir()} <= {
        *("dataset", "model", "output", "shikomi.toml", ".shikomi")
    }
    assert any(name.endswith("b.png") for name in files(target / "dataset"))
    assert not list((target / ".shikomi").rglob("*.png"))


def test_nothing_comes_in_through_a_link(tmp_path: Path) -> None:
    source, elsewhere = tmp_path / "source", tmp_path / "elsewhere"
    picture(source / "10_mochi" / "a.png", 1, "mochi")
    elsewhere.mkdir()
    project = initialise(tmp_path / "target")
    project.state.mkdir()
    (project.state / "incoming").symlink_to(elsewhere, target_is_directory=True)
    found = list(importing.run(project.root, source))
    assert all("a link leads to" in reason for reason in skipped(found).values())
    assert len(skipped(found)) == 2
    assert not list(elsewhere.rglob("*"))


def test_results_go_through_a_link_only_when_it_is_allowed(
    project: Project, make_image: MakeImage, tmp_path: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    elsewhere = tmp_path / "big disk"
    elsewhere.mkdir()
    project.output.rmdir()
    project.output.symlink_to(elsewhere, target_is_directory=True)
    for attempt in (
        lambda: run(project),
        lambda: folder_for(project, SampleOptions(), "samples/drawn"),
        lambda: folder_for(project, GridOptions(), "grids"),
    ):
        with pytest.raises(ConfigError, match="outside of the project"):
            attempt()
    assert not list(elsewhere.iterdir())
    # What is named on the command line may be anywhere.
    assert summary(run(project, out=tmp_path / "named"))["images"] == 1
    assert folder_for(project, SampleOptions(out=elsewhere), "x") == elsewhere
    list(allow.run(str(elsewhere)))
    assert summary(run(project))["images"] == 1
    assert (elsewhere / "dataset" / "dataset.toml").exists()
    assert folder_for(project, GridOptions(), "grids") == elsewhere / "grids"
