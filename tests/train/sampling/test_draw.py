import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from PIL import Image

from prep import demo_world
from prep.errors import ConfigError, UserError
from prep.events import Event, Finished, Sample, Written
from prep.project import Project
from tests.train.conftest import runs_in
from train.arithmetic.precision import choose
from train.config import TrainSettings
from train.families import latent_diffusion
from train.families.base_model import BaseModel
from train.families.samplers import diffusion_sampler
from train.families.sd15 import StableDiffusion15
from train.run.loop import train
from train.run.processes import ProcessGroup
from train.sampling import grid, sample
from train.sampling.draw import ImageGenerator, ImageSpec, parameters
from train.sampling.options import GridOptions, SampleOptions
from train.settings.samples import SamplerName

# diffusers' samplers hand tensors to numpy in a way that numpy 2 wants changed.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def generator(base: Path) -> ImageGenerator:
    return ImageGenerator(
        StableDiffusion15.load(BaseModel.open(base), choose("fp32", torch.device("cpu")))
    )


def test_a_picture_that_does_not_fit_is_decoded_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly the same picture, from a VAE that decodes whole again afterwards."""
    policy = choose("fp32", torch.device("cpu"))
    model = StableDiffusion15.load(BaseModel.open(demo_world.base()), policy)
    monkeypatch.setattr(latent_diffusion, "_TILE", 16)
    ramp = torch.linspace(-1.0, 1.0, 128)
    wide, high = ramp.expand(128, 128), ramp[:, None].expand(128, 128)
    pixels = torch.stack([wide, high, wide * high])
    latents = model.scaled(model.encode_pixels(pixels[None]).chunk(2, dim=1)[0])
    whole, kind = model.decode(latents), AutoencoderKL
    usual, tiled_calls = kind.decode, []

    def small_card(vae: Any, z: torch.Tensor) -> Any:
        tiled_calls.append(vae.use_tiling)
        if not vae.use_tiling:
            raise torch.OutOfMemoryError
        return usual(vae, z)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "decode", small_card)
        tiled = model.decode(latents)
        with pytest.raises(torch.OutOfMemoryError):
            model.decode(latents[:, :, :16, :16])  # a tile is no smaller
    assert tiled_calls == [False, True, False]
    both = torch.stack([tiled.flatten(), whole.flatten()])
    assert 0.8 < torch.corrcoef(both)[0, 1] < 0.99999  # the demo's colours differ much
    assert torch.equal(model.decode(latents, tiled=True), tiled)
    assert torch.equal(model.decode(latents), whole)


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_every_sampler_draws_and_repeats_itself(
    base: Path, v_base: Path, sampler: SamplerName
) -> None:
    for folder in (base, v_base):
        drawer = generator(folder)
        picture = ImageSpec("mochi", "", 64, 48, 3, 3, 5.0, sampler)
        first, second = drawer.draw(picture), drawer.draw(picture)
        assert first.size == (64, 48)
        assert first.tobytes() == second.tobytes()
        assert np.asarray(first).std() > 0


def test_samplers_keep_the_noise_schedule_of_the_base(v_base: Path) -> None:
    config = json.loads((v_base / "scheduler" / "scheduler_config.json").read_text())
    for name in get_args(SamplerName):
        scheduler = diffusion_sampler(name, config)
        assert scheduler.config.prediction_type == "v_prediction"
        assert scheduler.config.timestep_spacing == "trailing"


def test_guidance_of_one_needs_no_negative_prompt(base: Path) -> None:
    drawer = generator(base)
    plain = ImageSpec("mochi", "", 64, 64, 3, 2, 1.0, "ddim")
    other = ImageSpec("mochi", "something else", 64, 64, 3, 2, 1.0, "ddim")
    assert drawer.draw(plain).tobytes() == drawer.draw(other).tobytes()


def test_sizes_must_fit(base: Path) -> None:
    with pytest.raises(UserError, match="multiples of 8"):
        generator(base).draw(ImageSpec("mochi", "", 65, 64, 3, 3, 5.0, "ddim"))


def test_parameters_read_like_those_of_a1111() -> None:
    picture = ImageSpec("a, b", "c", 64, 96, 7, 20, 7.0, "dpmpp_2m_karras", 2, {"x": 0.8})
    text = parameters(picture, model="base", model_hash="f" * 64, lora_hashes={"x": "0" * 64})
    assert text == (
        "a, b <lora:x:0.8>\nNegative prompt: c\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, "
        "Seed: 7, Size: 64x96, Model hash: ffffffffff, Model: base, Clip skip: 2, "
        'Lora hashes: "x: 000000000000", Version: shikomi'
    )


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """Train a project with two LoRA files."""
    from prep.system import jobs

    folder = tmp_path_factory.mktemp("trained")
    run = runs_in(folder / "project", base)(max_steps=2, save_every_steps=1, learning_rate=0.05)
    (folder / "job").mkdir()
    list(train(run, jobs.Job(folder / "job"), ProcessGroup(torch.device("cpu"))))
    settings: dict[str, Any] = {"base": str(base), "precision": "fp32", "sample_steps": 2}
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    text = "[project]\nresolution = 64\n[train]\n" + "\n".join(lines)
    (run.project / "shikomi.toml").write_text(text)
    return run.project


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Project:
    """A project with two LoRA files."""
    return Project.open(Path(shutil.copytree(trained_once, tmp_path / "project")))


def ended(found: list[Event]) -> dict[str, Any]:
    assert isinstance(found[-1], Finished)
    return found[-1].summary


def test_sample_writes_numbered_pictures(trained: Project) -> None:
    options = SampleOptions(
        prompt=("mochi --d 5", "cat, <lora:mochi:0.5>"), lora=("mochi-step00000001:0.7",), count=2
    )
    found = list(sample.run(trained, options))
    samples = [event for event in found if isinstance(event, Sample)]
    assert ended(found)["images"] == len(samples) == 4
    assert [event.seed for event in samples] == [5, 6, 44, 45]
    assert samples[0].loras == {"mochi-step00000001": 0.7}
    assert samples[2].loras == {"mochi-step00000001": 0.7, "mochi": 0.5}
    assert [event.path for event in samples] == sorted(event.path for event in samples)
    with Image.open(trained.root / samples[2].path) as image:
        text = image.info["parameters"]
    assert text.startswith("cat <lora:mochi-step00000001:0.7> <lora:mochi:0.5>\nSteps: 2,")
    assert "Lora hashes:" in text
    again = [e.path for e in sample.run(trained, options) if isinstance(e, Sample)]
    assert not {event.path for event in samples} & set(again)
    first, repeated = (trained.root / samples[0].path, trained.root / again[0])
    with Image.open(first) as a, Image.open(repeated) as b:
        assert a.tobytes() == b.tobytes()


def test_a_lora_at_strength_zero_is_the_base_model(trained: Project) -> None:
    pictures = []
    for lora in ((), ("mochi:0",), ("mochi:1",)):
        options = SampleOptions(prompt=("mochi --d 1",), lora=lora)
        (event,) = (e for e in sample.run(trained, options) if isinstance(e, Sample))
        with Image.open(trained.root / event.path) as image:
            pictures.append(image.tobytes())
    assert pictures[0] == pictures[1] != pictures[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SampleOptions(), "nothing to draw"),
        (SampleOptions(prompt=("a",), lora=("missing",)), "no LoRA missing"),
        (SampleOptions(prompt=("a <lora:missing:1>",)), "no LoRA missing"),
    ],
)
def test_faults_of_sample(trained: Project, options: SampleOptions, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        list(sample.run(trained, options))


def test_loras_from_anywhere_are_drawn_each_under_its_own_name(
    trained: Project, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    lora = trained.output / "lora"
    first, second = tmp_path / "a" / "last.safetensors", tmp_path / "b" / "last.safetensors"
    shutil.copy(lora / "mochi-step00000001.safetensors", first)
    shutil.copy(lora / "mochi.safetensors", second)

    def drawn(prompt: str, *loras: str) -> tuple[dict[str, float], bytes]:
        options = SampleOptions(prompt=(prompt,), lora=loras, seed=5)
        (event,) = (e for e in sample.run(trained, options) if isinstance(e, Sample))
        with Image.open(trained.root / event.path) as image:
            return dict(event.loras), image.tobytes()

    names, pixels = drawn("cat", f"{first}:0.5", f"{second}:0.25")
    assert names == {"a/last": 0.5, "b/last": 0.25}
    assert drawn("cat", "mochi-step00000001:0.5", "mochi:0.25")[1] == pixels
    assert drawn("cat <lora:a/last:0.5>", f"{first}:9", f"{second}:0.25")[1] == pixels
    swapped = drawn("cat", f"{second}:0.25", f"{first}:0.5")
    assert drawn(f"cat <lora:{first}:0.5>", f"{second}:0.25") == swapped
    assert drawn("cat <lora:last:0.25>", f"{second}:9")[0] == {"last": 0.25}
    with pytest.raises(ConfigError, match=r"<lora:last> may be .*a/last.* or .*b/last"):
        drawn("cat <lora:last:1>", str(first), str(second))

    options = GridOptions(prompt=("cat",), lora=(str(first), str(second)), strengths=(0.6,), seed=5)
    cells = [event for event in grid.run(trained, options) if isinstance(event, Sample)]
    assert [dict(event.loras) for event in cells] == [{"a/last": 0.6}, {"b/last": 0.6}]
    pictures = []
    for event in cells:
        with Image.open(trained.root / event.path) as image:
            pictures.append(image.tobytes())
    assert pictures == [drawn("cat", f"{file}:0.6")[1] for file in (first, second)]


def test_sizes_are_refused_before_the_model_is_loaded(trained: Project) -> None:
    for stream in (
        sample.run(trained, SampleOptions(prompt=("a --w 100",))),
        grid.run(trained, GridOptions(prompt=("a --w 100",))),
    ):
        seen: list[Event] = []
        with pytest.raises(UserError, match="100x64 does not fit"):
            seen.extend(stream)
        assert seen == []


def test_the_usual_size_is_made_to_fit(trained: Project) -> None:
    odd = trained.saved({"project": {"resolution": 70}})
    (event,) = (e for e in sample.run(odd, SampleOptions(prompt=("a",))) if isinstance(e, Sample))
    with Image.open(odd.root / event.path) as image:
        assert image.size == (64, 64)


def test_drawing_needs_a_base(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No base model"):
        list(sample.run(Project.open(tmp_path), SampleOptions(prompt=("a",))))


def test_a_grid_has_a_cell_for_each_file_and_strength(trained: Project) -> None:
    found = list(grid.run(trained, GridOptions(prompt=("mochi --d 1",), strengths=(0, 0.5, 1))))
    summary = ended(found)
    assert summary["images"] == 2 * 2 + 1
    assert summary["grid"] == "output/grids/grid-00.png"
    assert [e.path for e in found if isinstance(e, Written)] == ["output/grids/grid-00.png"]
    first = next(e for e in found if isinstance(e, Sample))
    assert first.loras == {}
    with Image.open(trained.root / summary["grid"]) as image:
        width, height = image.size
        assert width > 3 * 64
        assert height > 2 * 64


def test_cells_keep_their_pixels() -> None:
    red, blue = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (20, 10), "blue")
    made = grid.sheet([[red, blue], [blue, red]], ["no LoRA", "1"], ["first", "second"], "title")
    pixels = np.asarray(made)
    assert (pixels == (255, 0, 0)).all(axis=2).sum() == 2 * 200
    assert (pixels == (0, 0, 255)).all(axis=2).sum() == 2 * 200


def test_faults_of_grid(trained: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="<lora:"):
        list(grid.run(trained, GridOptions(prompt=("a <lora:mochi:1>",))))
    for path in (trained.output / "lora").iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match="no LoRA"):
        list(grid.run(trained, GridOptions(prompt=("a",))))


def test_text_encoders_may_leave_before_the_first_step(base: Path) -> None:
    """The denoiser and the decoder then have their memory."""
    model = StableDiffusion15.load(BaseModel.open(base), choose("fp32", torch.device("cpu")))
    there: list[list[str]] = []
    predict = model.held["unet"].forward

    def noted(*args: Any, **kwargs: Any) -> Any:
        there.append([name for name in model.base.components if name in model.held])
        return predict(*args, **kwargs)

    model.held["unet"].forward = noted
    picture = ImageSpec("mochi", "", 64, 48, 3, 1, 5.0, "ddim")
    drawn = ImageGenerator(model, lambda: model.park("texts")).draw(picture)
    assert there == [["unet", "vae"]]
    assert drawn.tobytes() == ImageGenerator(model).draw(picture).tobytes()


def test_prompts_that_were_read_ahead_need_no_text_encoders(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are those that are drawn otherwise: other negatives and cfg are other texts."""
    model = StableDiffusion15.load(BaseModel.open(base), choose("fp32", torch.device("cpu")))
    first = ImageSpec("mochi", "", 64, 48, 3, 1, 5.0, "ddim")
    second, alone = replace(first, negative="hat", seed=4), replace(first, cfg=1.0)
    deeper, larger = replace(first, clip_skip=2), replace(first, width=80)
    pictures = (first, second, alone, deeper, larger)
    drawer = ImageGenerator(model)
    drawer.read_ahead(pictures)
    expected = [ImageGenerator(model).draw(picture).tobytes() for picture in pictures]
    assert len(set(expected)) == len(pictures)

    def gone(*_: Any) -> None:
        raise AssertionError("the text encoders were asked again")

    monkeypatch.setattr(StableDiffusion15, "encode_tokens", gone)
    assert [drawer.draw(picture).tobytes() for picture in pictures] == expected
    with pytest.raises(AssertionError):
        drawer.draw(replace(first, text="hat"))


@pytest.mark.parametrize(
    ("kind", "free", "stays"), [("cuda", 3, False), ("cuda", 5, True), ("cpu", 3, True)]
)
def test_text_encoders_leave_a_card_that_has_little_room(
    base: Path, monkeypatch: pytest.MonkeyPatch, kind: str, free: int, stays: bool
) -> None:
    monkeypatch.setattr(sample, "free_memory", lambda _: free << 30)
    sampler = sample.LoraSampler(BaseModel.open(base), TrainSettings(precision="fp32"))
    parked: list[str] = []
    monkeypatch.setattr(StableDiffusion15, "park", lambda _, part: parked.append(part))
    model: Any = sampler._model
    policy = replace(model.policy, device=torch.device(kind))
    monkeypatch.setattr(sampler, "_model", replace(model, policy=policy))
    sampler._make_room()
    assert parked == ([] if stays else ["texts"])
