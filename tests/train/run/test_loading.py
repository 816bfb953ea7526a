"""The denoiser is loaded last: images and captions are encoded before it needs the memory."""

from pathlib import Path

import pytest

from prep.events import Stage
from prep.system import jobs
from tests.train.tiny import MakeRun
from train.arithmetic.precision import default_device
from train.families.latent_diffusion import LatentDiffusion
from train.families.parts import Parts
from train.run.loop import train
from train.run.prepare import prepare
from train.run.processes import ProcessGroup


@pytest.mark.parametrize("trained", [False, True])
def test_the_denoiser_comes_last(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: bool
) -> None:
    """What is loaded, and what is still there whenever something is loaded."""
    log: list[tuple[str, list[str]]] = []
    load = Parts.__getitem__

    def noted(parts: Parts, name: str) -> object:
        if name not in parts:
            log.append((name, sorted(n for n in ("unet", "vae", "text_encoder") if n in parts)))
        return load(parts, name)

    monkeypatch.setattr(Parts, "__getitem__", noted)
    prompts = ("mochi --s 1 --w 64 --h 64",)
    run = make_run(train_text_encoder=trained, sample_prompts=prompts, sample_every_epochs=1)
    (tmp_path / "job").mkdir()
    stream = prepare(run, jobs.Job(tmp_path / "job"), ProcessGroup(default_device()))
    names = [event.name for event in stream if isinstance(event, Stage) and event.done]
    if trained:
        assert log == [("vae", []), ("unet", []), ("text_encoder", ["unet"])]
        assert names == ["encode", "load", "probe"]
        return
    assert log == [("vae", []), ("text_encoder", []), ("unet", [])]
    assert names == ["encode", "captions", "load", "probe"]
    # The second time, the latents are there: nothing is asked of the VAE until a sample is drawn.
    log.clear()
    (tmp_path / "again").mkdir()
    list(train(run, jobs.Job(tmp_path / "again"), ProcessGroup(default_device())))
    # Its prompt was encoded with the captions: the text encoder does not come back.
    assert log[:3] == [("text_encoder", []), ("unet", []), ("vae", ["unet"])]
    assert "text_encoder" not in [name for name, _ in log[3:]]


def test_a_model_is_loaded_whole_where_it_is_drawn_with(base: Path) -> None:
    from train.arithmetic.precision import choose
    from train.families.base_model import BaseModel
    from train.families.opening import load_family

    model = load_family(BaseModel.open(base), choose("fp32", default_device()))
    assert isinstance(model, LatentDiffusion)
    assert all(name in model.held for name in model.base.components)
