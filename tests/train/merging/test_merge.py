"""LoRAs merged into LoRAs and models: what the result adds is what they add together."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from prep.errors import UnreadableError, UserError
from prep.events import Event, Finished, Progress
from prep.project import Project
from tests.train.checkpoints.single import parts, write_folder, write_single_file
from tests.train.merging.loras import pair, save
from train.families.base_model import BaseModel
from train.lora.contents import by_module, inspect
from train.merging.extract import extract
from train.merging.factors import Factors
from train.merging.merge import merge, resize
from train.merging.options import ExtractOptions, MergeOptions, ResizeOptions
from train.merging.sums import ModuleSum, build
from train.merging.weights import ModelWeights
from train.merging.written import common_metadata
from train.networks.delta import bias_change, weight_change
from train.networks.saved import load_lora

ATTENTION = "lora_unet_output_blocks_0_1_transformer_blocks_0_attn2_to_k"
CONVOLUTION = "lora_unet_input_blocks_1_0_in_layers_2"
MATRIX = "lora_unet_output_blocks_0_1_proj_in"
NORM = "lora_unet_out_0"
JOINED = "lora_te2_text_model_encoder_layers_1_self_attn_k_proj"
"""A third of a matrix in the file."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SDXL model in a single file, in fp16."""
    folder = tmp_path_factory.mktemp("model")
    halves = {name: module.half() for name, module in parts("sdxl").items()}
    return write_single_file(folder / "base.safetensors", halves, {"modelspec.title": "base"})


@pytest.fixture
def project(tmp_path: Path, model: Path) -> Project:
    (tmp_path / "shikomi.toml").write_text(f"[train]\nbase = '{model}'\n")
    (tmp_path / "output" / "lora").mkdir(parents=True)
    return Project.open(tmp_path)


def write(
    project: Project,
    name: str,
    modules: Mapping[str, Mapping[str, Tensor]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    path = project.output / "lora" / f"{name}.safetensors"
    save(path, modules, {"ss_base_model_version": "sdxl_base_v1-0", **(metadata or {})})


@pytest.fixture
def loras(project: Project, model: Path) -> dict[str, dict[str, dict[str, Tensor]]]:
    """Two plain LoRAs, one with a bias and a norm, and one of other algorithms."""
    torch.manual_seed(2)
    shapes = BaseModel.open(model).module_shapes()
    key, wide, square = (shapes[name] for name in (ATTENTION, CONVOLUTION, MATRIX))
    norm = {"w_norm": torch.randn(shapes[NORM]), "b_norm": torch.randn(shapes[NORM])}
    first = {ATTENTION: pair(key), CONVOLUTION: pair(wide), JOINED: pair(shapes[JOINED])}
    second = {ATTENTION: pair(key, 3), NORM: norm}
    second[MATRIX] = {**pair(square), "diff_b": torch.randn(square[0])}
    loha = {f"hada_w{n}_a": torch.randn(key[0], 2) for n in (1, 2)}
    loha |= {f"hada_w{n}_b": torch.randn(2, key[1]) for n in (1, 2)}
    dora = {**pair(square), "dora_scale": torch.rand(square[0], 1) + 1}
    found = {"first": first, "second": second, "other": {ATTENTION: loha, MATRIX: dora}}
    for name, modules in found.items():
        write(project, name, modules)
    return found


def finished(events: Iterator[Event]) -> dict[str, Any]:
    last = list(events)[-1]
    assert isinstance(last, Finished)
    return last.summary


def change(modules: Mapping[str, Any], name: str, weight: Tensor) -> Tensor:
    return weight_change(modules[name], weight) if name in modules else torch.zeros_like(weight)


def test_what_two_loras_add_at_their_strengths(
    project: Project, loras: dict[str, Any], model: Path
) -> None:
    options = MergeOptions(lora=("first:0.5", "second:-2"), precision="fp32")
    made = finished(merge(project, options))
    assert made["file"] == "output/lora/first+second.safetensors"
    assert made["loras"] == "first.safetensors:0.5, second.safetensors:-2"
    assert (made["modules"], made["rank"], made["kept"]) == (5, 5, 1.0)
    path = project.root / made["file"]
    weights, merged = ModelWeights(BaseModel.open(model)), by_module(load_lora(path))
    first, second = loras["first"], loras["second"]
    for name in first.keys() | second.keys():
        weight = weights.read(name)
        expected = 0.5 * change(first, name, weight) - 2 * change(second, name, weight)
        assert torch.allclose(weight_change(merged[name], weight), expected, atol=1e-5), name
    for name, leaf in ((MATRIX, "diff_b"), (NORM, "b_norm")):
        bias = bias_change(merged[name])
        assert bias is not None
        assert torch.allclose(bias, -2 * second[name][leaf])
    found = inspect(path, BaseModel.open(model).module_shapes())
    assert (found.faults, found.unmatched) == ((), ())
    assert found.metadata["modelspec.merged_from"] == "first.safetensors:0.5, second.safetensors:-2"
    assert found.metadata["ss_base_model_version"] == "sdxl_base_v1-0"
    assert found.metadata["ss_network_dim"] == "Dynamic"


def test_a_lower_rank_and_other_algorithms(
    project: Project, loras: dict[str, Any], model: Path
) -> None:
    with pytest.raises(UserError, match="is no plain LoRA") as caught:
        finished(merge(project, MergeOptions(lora=("first", "other"))))
    assert "--rank" in caught.value.hint
    assert not list(project.output.glob("lora/*+*"))
    options = MergeOptions(lora=("first", "other:0.5"), rank=4, precision="fp32")
    made = finished(merge(project, options))
    assert made["rank"] == 4
    assert 0.5 < made["kept"] < 1
    weights = ModelWeights(BaseModel.open(model))
    merged = by_module(load_lora(project.root / made["file"]))
    weight = weights.read(ATTENTION)
    expected = change(loras["first"], ATTENTION, weight)
    expected += 0.5 * change(loras["other"], ATTENTION, weight)
    u, values, v = torch.linalg.svd(expected)
    best = (u[:, :4] * values[:4]) @ v[:4]
    assert torch.allclose(weight_change(merged[ATTENTION], weight), best, atol=1e-4)


def test_without_the_model_sizes_are_those_of_its_family_and_dora_is_refused(
    project: Project, loras: dict[str, Any]
) -> None:
    del loras
    (project.root / "shikomi.toml").write_text("")
    bare = Project.open(project.root)
    with pytest.raises(UserError, match="has another size") as caught:  # than SDXL at full size
        finished(merge(bare, MergeOptions(lora=("first", "second"))))
    assert "lora verify" in caught.value.hint
    large = "lora_unet_input_blocks_4_1_proj_in"
    dora = {**pair((640, 640)), "dora_scale": torch.ones(640, 1)}
    write(project, "dora", {large: dora})
    write(project, "plain", {large: pair((640, 640))})
    assert finished(merge(bare, MergeOptions(lora=("plain", "plain"))))["rank"] == 4
    with pytest.raises(UserError, match="is DoRA") as caught:
        finished(merge(bare, MergeOptions(lora=("plain", "dora"), rank=4)))
    assert "--base" in caught.value.hint


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_model_learns_what_loras_add(
    project: Project, loras: dict[str, Any], model: Path, kind: str, tmp_path: Path
) -> None:
    base, chosen = model, ("first:0.5", "other:2", "second")
    if kind == "folder":
        base = write_folder(tmp_path / "folder", parts("sdxl"), "v_prediction")
    *events, last = merge(project, MergeOptions(lora=chosen, into=str(base)))
    assert [(e.done, e.total) for e in events if isinstance(e, Progress)] == [(0, 1), (1, 1)]
    made = finished(iter([last]))
    path = project.root / made["file"]
    assert path.parent == project.output / "checkpoints"
    assert (made["modules"], made["rank"], made["kept"]) == (5, None, 1.0)
    before, after = (ModelWeights(BaseModel.open(place)) for place in (base, path))
    changed = {name: before.read(name) for name in before.table}
    strengths = {"first": 0.5, "other": 2.0, "second": 1.0}
    for name, weight in changed.items():
        parts_ = [s * change(loras[lora], name, weight) for lora, s in strengths.items()]
        exact = 1e-6 if kind == "folder" else 2e-3
        assert torch.allclose(after.read(name), weight + sum(parts_), atol=exact, rtol=exact), name
    if kind == "folder":
        assert BaseModel.open(path).configs["scheduler"]["prediction_type"] == "v_prediction"
        return
    old, new = load_file(model), load_file(path)
    assert old.keys() == new.keys()
    assert [name for name in old if old[name].dtype != new[name].dtype] == []
    same = {name for name in old if torch.equal(old[name], new[name])}
    assert len(old) - len(same) == 7, "five weights and two biases"
    bias = new["model.diffusion_model.out.0.bias"] - old["model.diffusion_model.out.0.bias"]
    assert torch.allclose(bias.float(), loras["second"][NORM]["b_norm"], atol=2e-3)


def test_a_resized_lora_keeps_what_it_says(project: Project, loras: dict[str, Any]) -> None:
    del loras
    assert finished(resize(project, ResizeOptions(lora="first", keep=0.01)))["rank"] == 1
    made = finished(resize(project, ResizeOptions(lora="first", rank=1)))
    assert made["file"] == "output/lora/first-resized-2.safetensors"
    assert (made["rank"], made["modules"]) == (1, 3)
    assert 0.3 < made["kept"] < 1
    metadata = inspect(project.root / made["file"]).metadata
    assert (metadata["ss_network_dim"], metadata["ss_network_alpha"]) == ("1", "1")


def best_share(tensors: Mapping[str, Tensor], rank: int) -> tuple[Tensor, Tensor]:
    """Return the squares of the best change of a lower rank, and of the whole one."""
    scale = tensors["alpha"] / len(tensors["lora_down.weight"])
    change = tensors["lora_up.weight"].flatten(1) @ tensors["lora_down.weight"].flatten(1) * scale
    squares = torch.linalg.svdvals(change).square()
    return squares[:rank].sum(), squares.sum()


def test_the_best_change_of_a_rank_and_its_share_of_all_modules_together(
    project: Project, loras: dict[str, Any], model: Path
) -> None:
    made = finished(resize(project, ResizeOptions(lora="first", rank=1)))
    shares = [best_share(tensors, 1) for tensors in loras["first"].values()]
    kept, total = (sum(float(pair[n]) for pair in shares) for n in (0, 1))
    assert made["kept"] == pytest.approx(kept / total, rel=1e-4)
    lora = by_module(load_lora(project.root / made["file"]))
    for name, tensors in loras["first"].items():
        wide = torch.zeros(BaseModel.open(model).module_shapes()[name])
        u, values, v = torch.linalg.svd(weight_change(tensors, wide).flatten(1), False)
        best = values[0] * torch.outer(u[:, 0], v[0])
        assert torch.allclose(weight_change(lora[name], wide).flatten(1), best, atol=2e-3), name


def test_what_describes_the_old_file_alone_is_not_said_of_the_new_one(project: Project) -> None:
    """Diffusers refuses a file with both alphas and its own metadata."""
    names = {
        "ss_network_args": '{"algo": "loha"}',
        "sshs_model_hash": "0",
        "ss_tag_frequency": "{}",
    }
    names["lora_adapter_metadata"] = '{"unet.r": 4, "unet.lora_alpha": 8}'
    key = "lora_unet_input_blocks_4_1_proj_in"
    (project.root / "shikomi.toml").write_text("")
    write(project, "diffusers", {key: pair((640, 640), 4)}, names)
    made = finished(resize(Project.open(project.root), ResizeOptions(lora="diffusers", rank=2)))
    metadata = inspect(project.root / made["file"]).metadata
    assert not metadata.keys() & {"ss_network_args", "lora_adapter_metadata"}
    assert metadata["ss_tag_frequency"] == "{}"
    assert metadata["sshs_model_hash"] != "0"


@pytest.mark.parametrize("conv_rank", [0, 8])
def test_a_trained_model_minus_its_base_is_what_was_merged(
    project: Project, loras: dict[str, Any], model: Path, conv_rank: int
) -> None:
    made = finished(merge(project, MergeOptions(lora=("first",), into=str(model))))
    options = ExtractOptions(model=made["file"], rank=8, conv_rank=conv_rank, precision="fp32")
    found = finished(extract(project, options))
    lora = by_module(load_lora(project.root / found["file"]))
    assert (CONVOLUTION in lora) == bool(conv_rank)
    assert lora.keys() == loras["first"].keys() - (set() if conv_rank else {CONVOLUTION})
    for name in lora:
        weight = torch.zeros(BaseModel.open(model).module_shapes()[name])
        expected = change(loras["first"], name, weight)
        assert torch.allclose(weight_change(lora[name], weight), expected, atol=2e-3), name
    assert found["kept"] > 0.99


def test_what_is_extracted_of_a_model(project: Project, model: Path) -> None:
    """Text encoders unless they are left out, convolutions of 1x1 always, of 3x3 if asked for."""
    base = BaseModel.open(model)
    shapes, table = base.module_shapes(), base.key_table()
    small = next(n for n, m in table.items() if m.kind == "convolution" and m.shape[2:] == (1, 1))
    names = (ATTENTION, CONVOLUTION, JOINED, small)
    write(project, "all", {name: pair(shapes[name], 3) for name in names})
    merged = finished(merge(project, MergeOptions(lora=("all",), into=str(model))))["file"]
    for options, expected in (
        ({}, {ATTENTION: 2, JOINED: 2, small: 2}),
        ({"conv_rank": 1, "text_encoder": False}, {ATTENTION: 2, CONVOLUTION: 1, small: 2}),
    ):
        asked = ExtractOptions.model_validate({"model": merged, "rank": 2, **options})
        lora = by_module(load_lora(project.root / finished(extract(project, asked))["file"]))
        assert {name: len(own["lora_down.weight"]) for name, own in lora.items()} == expected


def test_a_sum_is_for_the_model_of_the_first_file() -> None:
    first = {"ss_base_model_version": "sdxl_base_v1-0", "ss_v2": "False", "ss_epoch": "3"}
    second = {"ss_base_model_version": "other", "modelspec.architecture": "x"}
    assert common_metadata([first, second]) == {"ss_base_model_version": "sdxl_base_v1-0"}


def test_changes_that_are_not_finite_are_refused_by_name(
    project: Project, loras: dict[str, Any], model: Path
) -> None:
    del loras
    with pytest.raises(UserError, match="would be NaN or infinite") as caught:
        finished(merge(project, MergeOptions(lora=("first:1e39", "second"), rank=2)))
    assert "strength" in caught.value.hint
    tensors = load_file(model)
    tensors["model.diffusion_model.input_blocks.1.0.in_layers.2.weight"][0] = float("nan")
    broken = project.root / "broken.safetensors"
    save_file(tensors, broken)
    with pytest.raises(UserError, match=f"{CONVOLUTION} would be NaN"):
        finished(extract(project, ExtractOptions(model=str(broken), conv_rank=1)))
    assert [path.stem for path in sorted(project.output.rglob("*.safetensors"))] == [
        "first",
        "other",
        "second",
    ]


def test_a_bias_that_the_model_does_not_have_is_refused(project: Project, model: Path) -> None:
    write(project, "biased", {ATTENTION: {"diff_b": torch.ones(128)}})
    with pytest.raises(UserError, match=f"bias of {ATTENTION}"):
        finished(merge(project, MergeOptions(lora=("biased",), into=str(model))))


def test_a_folder_that_no_single_file_can_stand_for_is_refused(
    project: Project, loras: dict[str, Any], base: Path
) -> None:
    del loras
    with pytest.raises(UserError, match="a single file, which no program could read"):
        finished(merge(project, MergeOptions(lora=("first",), into=str(base))))
    assert not (project.output / "checkpoints").exists()


def test_changes_that_are_not_finite_are_told(project: Project, model: Path) -> None:
    down = pair(BaseModel.open(model).module_shapes()[ATTENTION])
    huge = {**down, "lora_up.weight": torch.full((128, 2), 1e30)}  # its squares overflow
    write(project, "huge", {ATTENTION: huge})
    with pytest.raises(UnreadableError, match=f"change of {ATTENTION} "):
        finished(resize(project, ResizeOptions(lora="huge", rank=1)))
    broken = ModuleSum(matrix=torch.full((4, 4), float("nan")))
    large = torch.full((4, 4), 3e38)
    product, matrix = ModuleSum(factors=Factors(large, large)), ModuleSum(matrix=large)
    too_large = "is too large to be reduced"
    for change, words in ((broken, "would be NaN"), (product, too_large), (matrix, too_large)):
        with pytest.raises(UnreadableError, match=f"The change of layer .*{words}"):
            list(build([("layer", change)], 1, {"layer": (4, 4)}, lambda _: 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (MergeOptions(lora=("first",)), "nothing to merge"),
        (MergeOptions(lora=("first", "second"), out=Path()), "no name of a file"),
        (MergeOptions(lora=("first", "second"), rank=2, into="x"), "no rank"),
        (MergeOptions(lora=("first", "second"), out=Path("taken")), "exists"),
        (MergeOptions(lora=("first", "second"), out=Path("no/where")), "There is no folder"),
        (ResizeOptions(rank=2), "No LoRA"),
        (ResizeOptions(lora="first"), "Neither --rank"),
        (ExtractOptions(), "Two models"),
        (ExtractOptions(model="BASE"), "do not differ"),
    ],
)
def test_what_is_refused(
    project: Project,
    loras: dict[str, Any],
    model: Path,
    options: Any,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del loras
    monkeypatch.chdir(project.root)
    (project.root / "taken.safetensors").write_bytes(b"mine")
    verbs: dict[Any, Any] = {MergeOptions: merge, ResizeOptions: resize, ExtractOptions: extract}
    make = verbs[type(options)]
    if getattr(options, "model", "") == "BASE":
        options = options.model_copy(update={"model": str(model)})
    before = sorted(project.root.rglob("*"))
    with pytest.raises(UserError, match=message):
        finished(make(project, options))
    assert (project.root / "taken.safetensors").read_bytes() == b"mine"
    assert sorted(project.root.rglob("*")) == before
