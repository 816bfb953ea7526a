"""Writers: what other tools read, and that everything comes back from it."""

import itertools
import json
import re
import shlex
import tarfile
import tomllib
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from prep.formats.ai_toolkit import to_yaml
from prep.formats.imagefolder import metadata_jsonl
from prep.formats.layouts import Layout
from prep.project import Project
from tests.conftest import MakeImage, draw_numbered
from tests.prep.exporting import counts, run, summary, tree, warnings
from tests.prep.trees import concept, done, files, take

LAYOUTS = get_args(Layout)

# fmt: off
SUBSET_KEYS = {
    "image_dir", "num_repeats", "is_reg", "class_tokens", "caption_extension", "caption_separator",
    "secondary_separator", "keep_tokens", "keep_tokens_separator", "shuffle_caption",
    "enable_wildcard", "caption_prefix", "caption_suffix", "caption_dropout_rate",
    "caption_dropout_every_n_epochs", "caption_tag_dropout_rate", "token_warmup_min",
    "token_warmup_step", "flip_aug", "color_aug", "random_crop", "face_crop_aug_range",
    "alpha_mask", "cache_info", "custom_attributes", "resize_interpolation",
}
CONTROL_KEYS = (SUBSET_KEYS - {"is_reg", "class_tokens", "alpha_mask"}) | {"conditioning_data_dir"}
DATASET_KEYS = {
    "batch_size", "resolution", "enable_bucket", "min_bucket_reso", "max_bucket_reso",
    "bucket_reso_steps", "bucket_no_upscale", "validation_split", "validation_seed",
    "network_multiplier", "resize_interpolation",
}
# fmt: on


@pytest.fixture
def full(project: Project, make_image: MakeImage) -> Project:
    """A project with two concepts, regularisation images, a mask and odd captions."""
    make_image("10_mochi/a.png", 1, (640, 480), "mochi, hat\nA second line.\r\n")
    make_image("10_mochi/b v1.5.jpg", 2, (300, 600), "mochi, poster (object), ;), \u3082\u3061")
    make_image("photos/deep/c.png", 3, caption="x\u2028y, \\(z\\)")
    make_image("photos/bare.png", 4)
    make_image("1_bear/r.png", 5, caption="bear")
    draw_numbered(7, (640, 480)).convert("L").save(project.dataset / "10_mochi" / "a-masklabel.png")
    return project.saved(
        {
            "concepts": {
                "10_mochi": {"trigger": "mochi"},
                "photos": {"repeats": 4},
                "1_bear": {"regularization": True},
            },
            "train": {"base": "model/base.safetensors", "batch_size": 3},
        }
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_comes_back_as_it_was(full: Project, tmp_path: Path, layout: Layout) -> None:
    out = Path(summary(run(full, layout=layout))["folder"])
    moved = tmp_path / "elsewhere"
    out.rename(moved)
    target = tmp_path / "target"
    take(moved, target)
    plain = full.output / "dataset"
    run(full)
    expected = {
        Path(name).name.replace("v1.5", "v1_5"): data
        for name, data in files(plain).items()
        if name.endswith((".webp", ".txt"))
    }
    got = {
        Path(name).name.replace("v1.5", "v1_5"): data
        for name, data in files(target / "dataset").items()
        if name.endswith((".webp", ".txt"))
    }
    if layout == "diffusers":  # its script has no place for regularisation images
        expected = {name: data for name, data in expected.items() if not name.startswith("r.")}
    else:
        assert concept(target, "1_bear") == (1, "", True)
    assert got == expected
    assert concept(target, "10_mochi")[0] == 10
    assert concept(target, "4_photos")[0] == 4
    if layout == "kohya":
        assert concept(target, "10_mochi") == (10, "mochi", False)
        assert Project.open(target).settings.train["batch_size"] == 3
    if layout == "onetrainer":
        assert "10_mochi/a-masklabel.png" in files(target / "dataset")
    assert done(take(moved, target))["images"] == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_second_export_of_any_layout_writes_nothing(full: Project, layout: Layout) -> None:
    first = summary(run(full, layout=layout))
    before = tree(Path(first["folder"]))
    found = run(full, layout=layout)
    assert counts(found)[0] == counts(found)[2] == 0
    assert counts(found)[1] == first["written"]
    assert tree(Path(first["folder"])) == before


@pytest.mark.parametrize("masks", ["none", "alpha", "folder"])
def test_dataset_files_have_only_keys_that_sd_scripts_takes(full: Project, masks: str) -> None:
    if masks == "folder":
        full = full.saved({"concepts": {"1_bear": {"regularization": False}}})
    data = tomllib.loads(Path(summary(run(full, masks=masks))["dataset_toml"]).read_text("utf-8"))
    assert data.keys() <= {"general", "datasets"}
    assert data["general"].keys() <= SUBSET_KEYS | DATASET_KEYS
    for dataset in data["datasets"]:
        subsets = dataset.pop("subsets")
        assert dataset.keys() <= SUBSET_KEYS | DATASET_KEYS
        for subset in subsets:
            assert subset.keys() <= (CONTROL_KEYS if masks == "folder" else SUBSET_KEYS)


def test_onetrainer_gets_concepts_and_masks(full: Project) -> None:
    found = run(full, layout="onetrainer")
    out = full.output / "onetrainer"
    concepts = {item["name"]: item for item in json.loads((out / "concepts.json").read_text())}
    mochi = concepts["mochi"]
    assert mochi["path"] == str(out / "10_mochi")
    assert mochi["balancing"] == 10.0
    assert mochi["text"]["keep_tags_count"] == 1
    assert mochi["image"]["enable_random_flip"] is False
    assert (out / "10_mochi" / "a-masklabel.png").is_file()
    assert concepts["photos"]["balancing"] == 4.0
    assert "no regularisation sets" in warnings(found)


def test_ai_toolkit_gets_its_yaml(full: Project) -> None:
    found = run(full, layout="ai-toolkit")
    out = full.output / "ai-toolkit"
    data = yaml.safe_load((out / "config.yaml").read_text("utf-8"))
    (process,) = data["config"]["process"]
    assert process["trigger_word"] == "mochi"
    assert process["network"] == {"type": "lora", "linear": 32, "linear_alpha": 16.0}
    assert process["train"]["lr"] == 1e-4
    assert process["train"]["batch_size"] == 3
    # 2 x 10 of two buckets, 2 x 4, and as many regularisation images: see shikomi plan.
    assert process["train"]["steps"] > 100
    datasets = {Path(d["folder_path"]).name: d for d in process["datasets"]}
    assert datasets["10_mochi"]["num_repeats"] == 10
    assert datasets["1_bear"]["is_reg"] is True
    assert "only JPEG and PNG" in warnings(found)
    assert "JPEG and PNG" not in warnings(run(full, layout="ai-toolkit", format="png"))


def test_dropout_reaches_the_others_or_is_told(full: Project) -> None:
    dropping = full.saved({"train": {"caption_dropout": 0.1, "tag_dropout": 0.25}})
    told = [warnings(run(dropping, layout=layout)) for layout in ("onetrainer", "diffusers")]
    concepts = json.loads((full.output / "onetrainer" / "concepts.json").read_text())
    text = next(item["text"] for item in concepts if item["name"] == "mochi")
    assert text["tag_dropout_enable"] is True
    assert (text["tag_dropout_mode"], text["tag_dropout_probability"]) == ("RANDOM", 0.25)
    assert "caption_dropout" in told[0]
    assert "caption_dropout or tag_dropout" in told[1]
    run(dropping, layout="ai-toolkit")
    data = yaml.safe_load((full.output / "ai-toolkit" / "config.yaml").read_text("utf-8"))
    sets = {Path(d["folder_path"]).name: d for d in data["config"]["process"][0]["datasets"]}
    rates = ("caption_dropout_rate", "token_dropout_rate", "keep_tokens")
    assert [sets["10_mochi"][name] for name in rates] == [0.1, 0.25, 1]
    assert "dropout" not in warnings(run(full, layout="diffusers"))
    run(full, layout="onetrainer")
    concepts = json.loads((full.output / "onetrainer" / "concepts.json").read_text())
    assert not any("tag_dropout_enable" in item["text"] for item in concepts)


def test_diffusers_gets_a_command_line(full: Project) -> None:
    found = run(full, layout="diffusers")
    out = full.output / "diffusers"
    words = shlex.split((out / "train.sh").read_text().partition("exec ")[2])
    assert words[:3] == ["accelerate", "launch", "train_text_to_image_lora.py"]
    options = dict(itertools.pairwise(words))
    assert options["--train_data_dir"] == str(out)
    assert options["--num_train_epochs"] == "40"
    assert options["--rank"] == "32"
    rows = [json.loads(line) for line in (out / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert rows[0] == {"file_name": "10_mochi/a.webp", "text": "mochi, hat\nA second line.\r\n"}
    assert len(rows) == 4
    assert not list(out.rglob("*.txt"))
    for part in ("no repeats", "crops every image to a square", "reg/1_bear"):
        assert part in warnings(found)


def shards(project: Project) -> dict[str, list[str]]:
    found = {}
    for file in sorted((project.output / "webdataset").glob("*.tar")):
        with tarfile.open(file) as tar:
            found[file.name] = tar.getnames()
    return found


def test_shards_are_bounded_deterministic_and_incremental(
    project: Project, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    random = np.random.default_rng(1)
    for number in range(20):
        path = make_image(f"10_mochi/{number:02}.png", number, (256, 256), f"mochi, {number}")
        Image.fromarray(random.integers(0, 256, (256, 256, 3), np.uint8)).save(path)
    small = project.saved({"project": {"resolution": 256}})
    run(small, layout="webdataset", shard_mb=1)
    out = small.output / "webdataset"
    before = tree(out)
    names = [name for members in shards(small).values() for name in members]
    assert len(names) == 60 == len(set(names))
    assert len(shards(small)) > 3
    for file in out.glob("*.tar"):
        assert file.stat().st_size <= 1 << 20
    again = tmp_path / "again"
    run(small, layout="webdataset", shard_mb=1, out=again)
    assert {n: data for n, (_, data) in tree(again).items() if n.endswith(".tar")} == {
        n: data for n, (_, data) in before.items() if n.endswith(".tar")
    }

    changed = small.dataset / "10_mochi" / "05.txt"
    changed.write_text("mochi, changed")
    make_image("10_mochi/99.png", 99, (256, 256), "mochi, new")
    found = run(small, layout="webdataset", shard_mb=1)
    after = tree(out)
    same = [n for n in before if n.endswith(".tar") and after.get(n) == before[n]]
    assert len(same) >= len(shards(small)) - 3 > 0
    assert counts(found)[0] <= 3
    members = [name for group in shards(small).values() for name in group]
    assert len(members) == len(set(members)) == 63
    assert counts(run(small, layout="webdataset", shard_mb=1))[0] == 0


def test_shard_keys_have_no_dots_and_samples_lie_together(full: Project) -> None:
    run(full, layout="webdataset")
    (members,) = shards(full).values()
    assert "10_mochi/b v1_5.webp" in members
    keys = [re.sub(r"\..*", "", name.rpartition("/")[2]) for name in members]
    runs = [key for key, before in zip(keys, [None, *keys], strict=False) if key != before]
    assert len(runs) == len(set(runs)) == 5
    (file,) = (full.output / "webdataset").glob("*.tar")
    with tarfile.open(file) as tar:
        about = json.load(tar.extractfile("10_mochi/a.json"))  # type: ignore[arg-type]
    assert about["repeats"] == 10
    assert about["source"] == "dataset/10_mochi/a.png"


def test_a_shard_that_somebody_changed_is_left_alone(full: Project) -> None:
    run(full, layout="webdataset")
    (file,) = (full.output / "webdataset").glob("*.tar")
    file.write_bytes(b"mine")
    found = run(full, layout="webdataset")
    assert file.read_bytes() == b"mine"
    assert len(list(file.parent.glob("*.tar"))) == 2
    assert "changed by hand" in warnings(found)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z_]{1,8}x", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_like)
def test_yaml_says_what_was_meant(value: Any) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


@given(st.floats(1e-9, 1e6))
def test_yaml_numbers_are_numbers(value: float) -> None:
    assert yaml.safe_load(to_yaml({"a": value}))["a"] == pytest.approx(value, rel=1e-3, abs=1e-9)


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=5))
def test_metadata_lines_hold_any_caption(rows: list[tuple[str, str]]) -> None:
    lines = metadata_jsonl(rows).encode("utf-8").decode("utf-8").splitlines()
    data = [json.loads(line) for line in lines]
    assert [(row["file_name"], row["text"]) for row in data] == rows
