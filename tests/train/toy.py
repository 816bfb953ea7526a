"""A model so small that the loop's arithmetic can be followed by hand, and a run over it.

The denoiser is one 1x1 convolution over latents of 1 x 2 x 2; what the loop gives it is recorded.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prep.captions.shuffle import CaptionRules
from prep.events import Event
from prep.images.buckets import Buckets, Fit
from prep.system import jobs
from train.arithmetic.noise import NoiseSchedule
from train.arithmetic.precision import PrecisionPolicy
from train.checkpoints.sources import FolderSource
from train.config import RunConfig, TrainSettings
from train.data.dataset import Batch, Dataset, Schedule, TrainImage
from train.data.dataset_file import DatasetPart, Subset
from train.data.origins import Origin
from train.families.base import Conditioning, Frame, Parkable
from train.families.base_model import BaseModel
from train.families.conditioning import ALL
from train.lora.metadata import Facts
from train.networks.build import fresh_network
from train.networks.ranks import Ranks
from train.networks.trainee import Trainee
from train.optim.flat import FlatGroup
from train.optim.optimizers import make_optimizer
from train.optim.stepper import Stepper
from train.run import loop
from train.run.checkpoint import Counters
from train.run.ledger import Ledger
from train.run.loop import optimise, set_rates
from train.run.micro_batches import MicroBatches
from train.run.monitor import CommandReader
from train.run.objective import micro_losses
from train.run.prepare import Training
from train.run.processes import ProcessGroup
from train.sampling.draw import ImageSpec
from train.settings.captions import Chunking
from train.settings.samples import SamplerName

CPU = torch.device("cpu")
ALONE = ProcessGroup(CPU)
SIGNAL = torch.linspace(0.95, 0.05, 10)


@dataclass
class Recorded:
    """What the objective and the cache were asked, call by call."""

    latents: list[Tensor] = field(default_factory=list)
    noise: list[Tensor] = field(default_factory=list)
    target_noise: list[Tensor] = field(default_factory=list)
    timesteps: list[Tensor] = field(default_factory=list)
    captions: list[list[str]] = field(default_factory=list)
    frames: list[list[Frame]] = field(default_factory=list)
    flips: list[tuple[str, bool]] = field(default_factory=list)


class RecordingSchedule(NoiseSchedule):
    """A noise schedule of ten steps that notes what it mixes."""

    def noisy(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        recorded: Recorded = self.__dict__["recorded"]
        recorded.latents.append(latents.clone())
        recorded.noise.append(noise.clone())
        recorded.timesteps.append(timesteps.clone())
        return super().noisy(latents, noise, timesteps)

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        recorded: Recorded | None = self.__dict__.get("recorded")
        if recorded is not None:  # not one of the other hypotheses
            recorded.target_noise.append(noise.clone())
        return super().target(latents, noise, timesteps)


class ToyFamily:
    """Implements ``Family``."""

    def __init__(self, recorded: Recorded, prediction: str = "epsilon") -> None:
        self.recorded = recorded
        vae = {"block_out_channels": [1], "latent_channels": 1}
        self.base = BaseModel(FolderSource(Path("toy")), "sd15", {"vae": vae})
        self.policy = PrecisionPolicy(CPU, torch.float32, "")
        self.objective = RecordingSchedule(SIGNAL, prediction)
        self.objective.__dict__["recorded"] = recorded
        self.layer = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(self.layer.weight, 0.5)
        self.layer.requires_grad_(False)

    @property
    def parts(self) -> dict[str, str]:
        return {"unet": "lora_unet_", "text_encoder": "lora_te_"}

    def component(self, name: str) -> nn.Module:
        raise NotImplementedError(name)

    def exact(self, name: str) -> nn.Module:
        raise NotImplementedError(name)

    def load_denoiser(self) -> None:
        pass

    def targets(self, *, parts: Collection[str], conv: bool) -> Mapping[str, nn.Module]:
        return {"lora_unet_a": self.layer}

    def modules(self) -> Mapping[str, nn.Module]:
        return self.targets(parts=self.parts, conv=True)

    def is_cut(self, text: str, max_token_length: int, chunking: Chunking = "webui") -> bool:
        return len(text.split()) > max_token_length

    def tokenize(
        self, texts: Sequence[str], max_token_length: int = 0, chunking: Chunking = "webui"
    ) -> Tensor:
        self.recorded.captions.append(list(texts))
        return torch.zeros(len(texts), 1)

    def encode_tokens(
        self, tokens: Tensor, clip_skip: int = 1, chunking: Chunking = "webui"
    ) -> Conditioning:
        return Conditioning(tokens[:, :, None])

    def framed(self, text: Conditioning, frames: Sequence[Frame]) -> Conditioning:
        assert len(frames) == len(text)
        self.recorded.frames.append(list(frames))
        return text

    def latent_shape(self, width: int, height: int) -> tuple[int, ...]:
        return 1, 1, height, width

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        raise AssertionError("the toy's latents are made, not encoded")

    def scaled(self, latents: Tensor) -> Tensor:
        return latents * 2.0

    def decode(self, latents: Tensor, *, tiled: bool = False) -> Tensor:
        return latents.expand(-1, 3, -1, -1).clamp(-1, 1)

    def park(self, part: Parkable) -> None:
        pass

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        assert len(noisy) == len(timesteps) == len(conditioning)
        predicted: Tensor = self.layer(noisy)
        return predicted

    def sampler(self, name: SamplerName) -> Any:
        from train.families.samplers import diffusion_sampler

        return diffusion_sampler(name, {"num_train_timesteps": 10})

    def checkpoint_gradients(self) -> None:
        raise AssertionError("nothing to checkpoint")


class ToyCache:
    """Latents that tell images apart; the deviation is zero unless asked for."""

    def __init__(self, recorded: Recorded, deviation: float = 0.0) -> None:
        self._recorded, self._deviation = recorded, deviation

    def load(self, image: TrainImage, *, flipped: bool = False) -> tuple[Tensor, Tensor]:
        self._recorded.flips.append((image.content, flipped))
        mean = torch.full((1, 2, 2), float(int(image.content) + 1))
        return mean, torch.full((1, 2, 2), self._deviation)

    def mask(self, image: TrainImage, *, flipped: bool = False) -> Tensor | None:
        return None


class ToyTexts:
    """Captions as the model tokenises them."""

    def __init__(self, model: ToyFamily) -> None:
        self._model = model

    def encode(
        self, captions: Sequence[str], ahead: Iterable[str] = (), rows: slice = ALL
    ) -> Conditioning:
        return self._model.encode_tokens(self._model.tokenize(captions)[rows])

    def asked(
        self, captions: Sequence[str], ahead: Iterable[str] = (), rows: slice = ALL
    ) -> Conditioning:
        return Conditioning(self._model.tokenize(captions)[rows])

    def encoded(self, asked: Conditioning) -> Conditioning:
        return self._model.encode_tokens(asked.context)

    def rest(self) -> None:
        pass


class ToyGenerator:
    """Draws one grey square, or raises what it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def draw(self, picture: ImageSpec, on_step: Callable[[int], None]) -> Any:
        from PIL import Image

        if self._error is not None:
            raise self._error
        on_step(1)
        return Image.new("RGB", (4, 4), "grey")


def toy_image(number: int, *, flip: bool = False, regularization: bool = False) -> TrainImage:
    """Return an image whose content, a number, decides its latents."""
    fit = Fit((2, 2), (3, 2), 1, 0, 1.0)
    return TrainImage(
        Path(f"{number}.png"),
        str(number),
        f"caption {number}",
        CaptionRules(),
        1,
        (6, 4),
        fit,
        0,
        "images",
        Origin.of_fit((6, 4), fit),
        flip,
        regularization,
    )


def toy_network(model: ToyFamily) -> Trainee:
    """Return a LoRA of rank 1 whose weights are all 0.3, attached."""
    targets = model.targets(parts=["unet"], conv=False)
    network = fresh_network(targets, Ranks(1, 1.0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.3)
    return network.attach(targets)


USUAL: dict[str, Any] = {
    "base": "toy", "learning_rate": 0.1, "scheduler": "constant", "watched_images": 0
}  # fmt: skip


def toy_training(
    folder: Path,
    images: Sequence[TrainImage],
    *,
    held_out: Sequence[TrainImage] = (),
    made_by: Any = None,
    deviation: float = 0.0,
    prediction: str = "epsilon",
    pictures: int = 0,
    failing: Exception | None = None,
    group: ProcessGroup = ALONE,
    **settings: Any,
) -> tuple[Training, Recorded]:
    """Return a run over these images that is ready to step, and what it will record."""
    recorded = Recorded()
    model = ToyFamily(recorded, prediction)
    train = TrainSettings(**USUAL | settings)
    run = RunConfig(
        name="toy",
        project=folder,
        dataset=folder / "dataset.toml",
        output=folder / "lora",
        samples=folder / "samples",
        cache=folder / "cache",
        train=train,
    )
    network = toy_network(model)
    flat = FlatGroup(list(network.parameters()), train.learning_rate)
    stepper = toy_stepper([flat], train, made_by)
    job = jobs.Job(folder / "job")
    job.directory.mkdir(exist_ok=True)
    part = DatasetPart((64, 64), Buckets((64, 64)), None, (Subset(folder / "images"),))
    kind = ("epsilon", False, "fp32", "", "", "sd_v1", "stable-diffusion-v1")
    anything: Any = ToyCache(recorded, deviation)
    texts: Any = ToyTexts(model)
    generator: Any = ToyGenerator(failing)
    picture = ImageSpec("toy", "", 4, 4, 1, 1, 1.0, "ddim")
    schedule = Schedule.make(images, train, group.size)
    training = Training(
        run,
        job,
        group,
        model,
        Dataset((part,), tuple(images), ()),
        tuple(held_out),
        schedule,
        anything,
        texts,
        network,
        stepper,
        Counters(started=0.0),
        Facts(*kind, 0.0, len(held_out)),
        (picture,) * pictures,
        generator,
        Ledger(images, schedule.steps, model.objective.timesteps),
        MicroBatches(images),
        CommandReader(job),
    )
    return training, recorded


def toy_stepper(groups: list[FlatGroup], train: TrainSettings, make: Any = None) -> Stepper:
    """Return a stepper with the optimiser of the settings, or with one that ``make`` makes."""
    if make is None:
        optimizer = make_optimizer(groups, train, CPU)
    else:
        optimizer = make(
            [{"params": [g.values], "lr": g.rate, "initial_lr": g.rate} for g in groups]
        )
    return Stepper(groups, optimizer, torch.amp.GradScaler("cpu", enabled=False))


def sgd(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups)


def lora(training: Training) -> Trainee:
    """Return what a run trains, which is a LoRA."""
    assert isinstance(training.network, Trainee)
    return training.network


def weights(training: Training) -> Tensor:
    return torch.cat([p.detach().reshape(-1).clone() for p in lora(training).parameters()])


def batch_losses(training: Training, batch: Batch, *place: int) -> Tensor:
    """Return the losses of a batch that is computed at once; ``place`` as for ``micro_losses``."""
    epoch, step, index = place
    found = list(micro_losses(training, batch, (epoch, step, index), len(batch)))
    return torch.cat(found) if found else torch.zeros(0)


def steps(training: Training, count: int) -> list[float]:
    losses = []
    for _ in range(count):
        set_rates(training)
        losses.append(float(optimise(training)))
        training.counters.step += 1
        training.counters.add_loss(training.counters.step, losses[-1])
    return losses


def trained(training: Training, monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Run the whole loop over a run that is prepared already."""

    def prepared(*_: object) -> Generator[Event, None, Training]:
        yield from ()
        return training

    monkeypatch.setattr(loop, "prepare", prepared)
    return loop.train(training.run, training.job, training.group)
