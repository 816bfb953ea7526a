"""Which tagger a folder or a repository holds, and what its files recommend."""

from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prep.errors import UserError
from prep.project.tagger import TaggerSection
from prep.tagging.models import catalogue
from prep.tagging.models.graph import picture_input
from prep.tagging.models.layouts import detect
from prep.tagging.models.obtain import TaggerFiles, find
from prep.tagging.models.recommended import Recommended, recommended
from prep.tagging.models.records import (
    CANARY,
    CL_2,
    OPPAI,
    PIXAI_1,
    TIMM,
    WD,
    Record,
)
from prep.tagging.models.tables import ARTIST, CHARACTER, COPYRIGHT, NO_TAG, read_table
from prep.tagging.runtime.tagger import Tagger
from prep.tagging.scores.thresholds import Thresholds, configured
from tests.prep.tagging.in_memory import results
from tests.prep.tagging.layouts import TAGS, VOCABULARY, Graph, Writer, grouped, make, table, text
from tests.prep.tiny_taggers import make_tagger

STAGES = {
    "test": [
        {"type": "pad_to_size", "size": [80, 80]},
        {"type": "resize", "size": 64},
        {"type": "center_crop", "size": [64, 64]},
        {"type": "maybe_to_tensor"},
    ]
}
TIMM_OUTPUTS = {"embedding": "embedding", "logits": "logits", "probabilities": "prediction"}
ONE = {"logits": "logits"}
OPPAI_OUTPUT = {"probabilities": "probabilities"}
FEW = {"image_size": 64}
PER_TAG = {
    "micro": {"pr_breakeven": {"threshold": 0.79}},
    "per_tag": {
        "min_support": 5,
        "per_tag": {
            "tag_1": {"support": 9, "pr_threshold": 0.6, "f1_threshold": 0.2},
            "tag_2": {"support": 9, "pr_threshold": 0.7, "f1_threshold": None},
        },
    },
}


def timm(folder: Path, *more: Writer, stages: Any = STAGES) -> TaggerFiles:
    rows = [(*tag, "" if n == 2 else f"{n / 100}") for n, tag in enumerate(TAGS)]
    files = (table(rows, ["best_threshold"]), text("preprocess.json", stages), *more)
    return find(str(make(folder, Graph(64, "input", TIMM_OUTPUTS), *files)), folder)


def oppai(folder: Path, thresholds: object = PER_TAG, rows: Any = None) -> TaggerFiles:
    graph = Graph(64, "pixel_values", OPPAI_OUTPUT, mask="padding_mask")
    files = (
        table(rows or [("<PAD>", 0), ("<UNK>", 0), *TAGS[2:]]),
        text("preprocessing.json", FEW),
        text("pr_thresholds.json", thresholds),
    )
    return find(str(make(folder, graph, *files)), folder)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("model.onnx", "selected_tags.csv"), WD),
        (("model.onnx", "selected_tags.csv", "preprocess.json", "thresholds.csv"), TIMM),
        (("model.onnx", "selected_tags.csv", "preprocessing.json", "pr_thresholds.json"), OPPAI),
        (("model.onnx", "model.onnx.data", "model_vocabulary.json"), CL_2),
        (("model.onnx", "model.onnx.data", "tags.json"), PIXAI_1),
        (("model.onnx", "README.md"), None),
    ],
)
def test_kinds_are_told_by_their_files(names: tuple[str, ...], kind: Record | None) -> None:
    found = detect(names)
    assert (found and found.pixel_key()) == (kind and kind.pixel_key())
    if found is not None:
        assert {*found.files, *found.sidecars} == set(names)


def test_a_folder_of_animetimm_is_not_pixai(tmp_path: Path) -> None:
    files = timm(tmp_path / "x", text("thresholds.csv", "category,threshold\n0,0.3\n"))
    assert [stage.type for stage in files.record.stages] == ["pad_to_size", "resize", "center_crop"]
    assert (files.record.divide, files.record.mean) == (255, (0, 0, 0))
    tagger = Tagger(files, "cpu", 1)
    assert tagger.side == 64
    with pytest.raises(UserError, match=r"preprocess\.json, stage 1 \(vignette\): unknown stage"):
        timm(tmp_path / "y", stages=[{"type": "vignette"}])


def test_stages_of_another_size_than_the_model_are_refused(tmp_path: Path) -> None:
    stages = {
        "test": [
            *STAGES["test"][:2],
            {"type": "center_crop", "size": [32, 64]},
            *STAGES["test"][3:],
        ]
    }
    with pytest.raises(UserError, match=r"64 pixels, but preprocess\.json says 64 x 32"):
        Tagger(timm(tmp_path / "x", stages=stages), "cpu", 1)


@pytest.mark.parametrize("name", ["pixai-tagger-v1.0", "whatever"])
def test_pixai_1_is_told_by_its_input(tmp_path: Path, name: str) -> None:
    folder = make(tmp_path / name, Graph(1008, "pixel_values", ONE), table())
    files = find(str(folder), tmp_path)
    assert files.record.pixel_key() == PIXAI_1.pixel_key()
    assert picture_input(files.model) is not None
    other = make(tmp_path / "other", Graph(448, "pixel_values", ONE), table())
    with pytest.raises(UserError, match="is not a WD tagger: it takes pixel_values"):
        Tagger(find(str(other), tmp_path), "cpu", 1)


@pytest.mark.parametrize(
    "name", ["WD-eva02-tagger-2026-canary", "wd-eva02-tagger-2026-canary-onnx-v2"]
)
def test_the_canary_is_told_by_its_folder(tmp_path: Path, name: str) -> None:
    folder = make(tmp_path / name, Graph(448, "input", OPPAI_OUTPUT), table())
    files = find(str(folder), tmp_path)
    assert files.record == CANARY
    assert Tagger(files, "cpu", 1).side == 448


def test_a_mask_that_nobody_asked_for_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    graph = Graph(64, "pixel_values", OPPAI_OUTPUT, mask="padding_mask")
    folder = make(tmp_path / "x", graph, table(), text("tagger.toml", 'layout = "NCHW"'))
    with pytest.raises(UserError, match="padding_mask"):
        Tagger(find(str(folder), tmp_path), "cpu", 1)
    bare = make(
        tmp_path / "y",
        Graph(64, "pixel_values", OPPAI_OUTPUT),
        table(),
        text("preprocessing.json", FEW),
    )
    with pytest.raises(UserError, match="it takes pixel_values"):
        Tagger(find(str(bare), tmp_path), "cpu", 1)


def test_the_input_of_a_model_is_read_without_its_weights(tmp_path: Path) -> None:
    folder = make(tmp_path / "x", Graph(64, "pixel_values", ONE, external=True), table())
    (folder / "model.onnx.data").unlink()
    found = picture_input(folder / "model.onnx")
    assert found is not None
    assert (found.name, found.channels_first, found.side) == ("pixel_values", True, 64)
    wd = picture_input(make_tagger(tmp_path / "wd", shape=("h", "w", 3)) / "model.onnx")
    assert wd is not None
    assert (wd.channels_first, wd.side) == (False, 0)
    for data in (
        b"",
        b"\x3a",
        b"\x3a\xff\xff\x01",
        b"\xff" * 40,
        b"no model at all",
        bytes(range(256)),
    ):
        (tmp_path / "odd.onnx").write_bytes(data)
        assert picture_input(tmp_path / "odd.onnx") is None
    assert picture_input(tmp_path / "missing.onnx") is None


def limits(
    files: TaggerFiles, section: TaggerSection | None = None, **given: Any
) -> Mapping[str, float]:
    tags = files.tags()
    found = configured(section or TaggerSection(), recommended(files, tags), **given).limits(tags)
    return dict(zip(tags.names, np.round(found.astype(float), 3).tolist(), strict=True))


def test_thresholds_of_tags_travel_with_the_model(tmp_path: Path) -> None:
    csv = (
        "category,name,threshold\n0,general,0.3\n4,character,0.85\n0,general,0.9\n3,copyright,0.5\n"
    )
    files = timm(tmp_path / "x", text("thresholds.csv", csv))
    own = limits(files)
    assert (own["tag_1"], own["tag_19"]) == (0.03, 0.21)
    assert own["tag_0"] == 0.3  # has none of its own: that of its category, the first one
    assert (own["saber_(fate)"], own["fate"]) == (0.22, 0.23)
    assert own["general"] == np.inf
    # What people set holds for its category, and for nothing else.
    chosen = limits(files, general=0.6)
    assert (chosen["tag_0"], chosen["tag_1"], chosen["tag_19"]) == (0.6, 0.6, 0.6)
    assert (chosen["saber_(fate)"], chosen["fate"]) == (0.22, 0.23)
    section = TaggerSection(character=0.7, categories={"copyright": 0.1}, tags={"tag 1": 0.9})
    mixed = limits(files, section)
    assert (mixed["saber_(fate)"], mixed["fate"]) == (0.7, 0.1)
    assert (mixed["tag_1"], mixed["tag_2"]) == (0.9, 0.04)


def test_thresholds_of_oppai_and_outputs_that_are_no_tags(tmp_path: Path) -> None:
    files = oppai(tmp_path / "x")
    own = limits(files)
    assert (own["tag_1"], own["tag_2"]) == (0.6, 0.7)
    assert own["tag_3"] == pytest.approx(0.7927, abs=2e-3)
    assert own["<PAD>"] == own["<UNK>"] == np.inf
    assert files.tags().categories[:2] == (NO_TAG, NO_TAG)
    high = np.ones((1, len(files.tags())), np.float32)
    for thresholds in (
        Thresholds(0.0, 0.0),
        Thresholds(mcut=True),
        Thresholds(tags={"<PAD>": 0.1}),
    ):
        (found,) = results(high, files.tags(), thresholds)
        assert not {"<PAD>", "<UNK>"} & {name for name, _ in found.tags}
        assert found.rating == ""
    plain = oppai(tmp_path / "y", {"tag_5": 0.25, "tag_6": {"threshold": 0.5}})
    assert (limits(plain)["tag_5"], limits(plain)["tag_6"]) == (0.25, 0.5)


@pytest.mark.parametrize(
    ("thresholds", "fault"),
    [
        ({"another": 0.5}, "of none of the tags"),
        ([0.5], "no mapping of tags"),
        ({"tag_1": 7}, "7 is not a number from 0 to 1"),
        ({"tag_1": "high"}, "has no thresholds of tags"),
        ("{", "has no thresholds of tags"),
    ],
)
def test_broken_thresholds_are_refused(tmp_path: Path, thresholds: object, fault: str) -> None:
    files = oppai(tmp_path / "x", thresholds)
    with pytest.raises(UserError, match=fault) as caught:
        recommended(files, files.tags())
    assert "pr_thresholds.json" in caught.value.message


def test_names_of_thresholds_are_cleaned_as_the_tag_list_is(tmp_path: Path) -> None:
    rows = [("<PAD>", 0), ("<UNK>", 0), ("red\x1b_hat", 0)]
    files = oppai(tmp_path / "x", {"red\x1b_hat": 0.25}, rows)
    found = files.tags()
    assert found.names[2] == "red_hat"
    assert recommended(files, found).columns[2] == 0.25


@pytest.mark.parametrize(
    "csv", ["name,threshold\na,1\n", "category,threshold\n0,2\n", "category,threshold\n0\n"]
)
def test_broken_thresholds_of_categories_are_refused(tmp_path: Path, csv: str) -> None:
    files = timm(tmp_path / "x", text("thresholds.csv", csv))
    with pytest.raises(UserError, match=r"thresholds\.csv has no list of categories"):
        recommended(files, files.tags())


@pytest.mark.parametrize("value", ["1.5", "-0.1", "high"])
def test_a_bad_threshold_of_a_tag_is_refused_with_its_line(tmp_path: Path, value: str) -> None:
    path = tmp_path / "selected_tags.csv"
    path.write_text(f"name,category,best_threshold\na,0,nan\nb,0,\nc,0,{value}\n")
    with pytest.raises(UserError, match=f"line 4: best_threshold '{value}'"):
        read_table(path)
    path.write_text("name,category,best_threshold\na,0,nan\nb,0,\nc,0,0.5\n")
    found = read_table(path).thresholds
    assert [isnan(one) for one in found] == [True, True, False]


def test_artists_and_meta_tags_of_pixai_stay_out_unless_asked_for(tmp_path: Path) -> None:
    folder = make(tmp_path / "x", Graph(1008, "pixel_values", ONE), text("tags.json", grouped()))
    files = find(str(folder), tmp_path)
    tags = files.tags()
    assert tags.categories[tags.names.index("some_painter")] == ARTIST
    own = limits(files)
    assert (own["tag_1"], own["saber_(fate)"], own["fate"]) == (0.17, 0.27, 0.24)
    assert own["some_painter"] == own["highres"] == np.inf
    asked = limits(files, categories={"artist": 0.15})
    assert (asked["some_painter"], asked["highres"]) == (0.15, np.inf)
    assert limits(files, tags={"highres": 0.5})["highres"] == 0.5
    high = np.ones((1, len(tags)), np.float32)
    for cut in (False, True):
        thresholds = configured(TaggerSection(), recommended(files, tags), mcut=cut)
        (found,) = results(high * np.linspace(0.5, 1, len(tags)), tags, thresholds)
        assert not {"some_painter", "highres"} & {name for name, _ in found.tags}


def test_the_vocabulary_of_cl_2_may_be_a_list(tmp_path: Path) -> None:
    path = tmp_path / "model_vocabulary.json"
    text(path.name, VOCABULARY)(tmp_path)
    first = read_table(path)
    text(path.name, {**VOCABULARY, "idx_to_tag": [name for name, _ in TAGS]})(tmp_path)
    assert read_table(path) == first
    assert first.names == tuple(name for name, _ in TAGS)
    assert [first.categories[first.names.index(n)] for n in ("saber_(fate)", "fate")] == [
        CHARACTER,
        COPYRIGHT,
    ]


def test_missing_weights_are_told(tmp_path: Path) -> None:
    graph = Graph(384, "pixel_values", ONE, external=True)
    folder = make(tmp_path / "x", graph, text("model_vocabulary.json", VOCABULARY))
    assert Tagger(find(str(folder), tmp_path), "cpu", 1).side == 384
    (folder / "model.onnx.data").unlink()
    with pytest.raises(
        UserError, match=r"its weights in a file of their own.*model\.onnx\.data"
    ) as caught:
        Tagger(find(str(folder), tmp_path), "cpu", 1)
    assert "one folder" in caught.value.hint


def test_categories_with_gaps_are_refused(tmp_path: Path) -> None:
    groups = grouped()
    groups["categories"][1]["offset"] += 1
    text("tags.json", groups)(tmp_path)
    with pytest.raises(UserError, match="does not begin at"):
        read_table(tmp_path / "tags.json")


def test_thresholds_tell_what_they_are() -> None:
    advice = Recommended(0.3, 0.8, {"artist": 0.15}, ("artist",), (0.1, 0.2))
    assert str(configured(TaggerSection(), advice)) == "recommended for each tag"
    chosen = configured(TaggerSection(general=0.5), advice)
    assert str(chosen) == "recommended for each tag, general 0.5"
    plain = Recommended(0.3, 0.8, {"artist": 0.15, "copyright": 0.4}, ("artist",))
    assert str(configured(TaggerSection(), plain)) == "general 0.3, character 0.8, copyright 0.4"


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("WD-SwinV2-tagger-v3", "wd-swinv2-tagger-v3"),
        ("smilingwolf/wd-swinv2-tagger-v3", "wd-swinv2-tagger-v3"),
        ("cella110n/cl_tagger/cl_tagger_1_01", "cl_tagger_1_01"),
        ("cella110n/cl_tagger_v2/v2_00", "cl_tagger_v2"),
        ("Grio43/OppaiOracle/V1.1_onnx", "OppaiOracle-v1.1"),
        ("cella110n/cl_tagger_v2/v2_01a", ""),  # changes in place: never taken for what is pinned
        ("deepghs/wd14_tagger_with_embeddings/SmilingWolf/wd-swinv2-tagger-v3", ""),
        ("somebody/wd-swinv2-tagger-v3", ""),
        ("pixai-tagger-v0.9-onnx", "pixai-tagger-v0.9"),
    ],
)
def test_names_of_known_taggers(asked: str, name: str) -> None:
    found = catalogue.lookup(asked)
    assert (found.name if found else "") == name


def test_a_folder_named_like_a_known_tagger_gets_its_thresholds(tmp_path: Path) -> None:
    folder = make_tagger(tmp_path / "wd-swinv2-tagger-v3")
    (folder / "selected_tags.csv").rename(folder / "tags_info.csv")
    found = find(str(folder), tmp_path)
    assert (found.table.name, found.record.general) == ("tags_info.csv", 0.2653)
    assert found.record.pixel_key() == ""


def test_known_taggers_are_pinned_and_say_their_licence() -> None:
    pinned = {known.name: known for known in catalogue.KNOWN}
    assert len(pinned) == len(catalogue.KNOWN)
    for name, start in (
        ("wd-eva02-tagger-2026-canary", "0a86acf"),
        ("pixai-tagger-v1.0", "0800778"),
        ("OppaiOracle-v1.1", "96992fa"),
        ("cl_tagger_v2", "b57909b"),
    ):
        assert pinned[name].revision.startswith(start)
        assert len(pinned[name].revision) == 40
        assert pinned[name].licence
    assert pinned["cl_tagger_v2"].gated
    assert pinned["cl_tagger_v2"].record.files[2] == "v2_00/model.onnx.data"
    assert "micro-optimal" in pinned["camie-tagger-v2"].record.point
    assert all(
        known.gated for known in catalogue.KNOWN if known.repository.startswith("animetimm/")
    )
    assert [known.name for known in catalogue.KNOWN if not known.licence] == ["deepdanbooru"]
