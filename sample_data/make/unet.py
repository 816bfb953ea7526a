"""Trains the demo base model's UNet and text encoder together, on latents kept by `latents`.

Run `python -m sample_data.make.unet`. Two choices made this small model obey its prompts:
v-prediction, and noise that ends in nothing but noise (zero terminal SNR). With epsilon and the
usual schedule it never learnt colours, because overall colour leaks through the last steps of
that schedule and need not be predicted. Attention is computed plainly: PyTorch's fused kernel
takes three times as long in the backward pass on a CPU.
"""

import argparse
import random
from collections.abc import Iterator

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from sample_data.make import tokenizer as tokenizers
from sample_data.make.captions import caption
from sample_data.make.latents import SHAPES, path_of, scenes
from sample_data.make.training import SAMPLE_DATA, Run, arguments, arithmetic
from sample_data.make.world import Scene

WIDTH = 64  # of the text encoder, and so of cross-attention
BATCH = 32


def build_unet() -> UNet2DConditionModel:
    """Return the untrained UNet: SD 1.5's block types and module names, two levels."""
    return UNet2DConditionModel(
        sample_size=16,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(64, 128),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,  # the number of heads, as in SD 1.5's own configuration
        norm_num_groups=16,
    )


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return the untrained text encoder."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokenizers.MAX_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def build_scheduler() -> DDIMScheduler:
    """Return the scheduler whose settings travel with the model."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )


class Examples:
    """All latents with the scenes they show."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        """Load what `latents` wrote."""
        self.tokenizer = tokenizer
        self.latents = {size: torch.load(path_of(size), weights_only=True) for size in SHAPES}
        self.scenes = {size: scenes(size, count) for size, count in SHAPES.items()}

    def batch(self, shape: random.Random, rng: random.Random) -> tuple[Tensor, Tensor]:
        """Return latents of one shape and the tokens of fresh captions."""
        size = shape.choices(list(SHAPES), weights=list(SHAPES.values()))[0]
        chosen = rng.choices(range(SHAPES[size]), k=BATCH)
        return self.latents[size][chosen].float().contiguous(), self._tokens(size, chosen, rng)

    def _tokens(self, size: tuple[int, int], chosen: list[int], rng: random.Random) -> Tensor:
        shown: Iterator[Scene] = (self.scenes[size][k] for k in chosen)
        tokens: Tensor = self.tokenizer(
            [caption(scene, rng) for scene in shown],
            padding="max_length",
            truncation=True,
            max_length=tokenizers.MAX_LENGTH,
            return_tensors="pt",
        ).input_ids
        return tokens


def loss_of(
    model: nn.ModuleDict, scheduler: DDIMScheduler, latents: Tensor, tokens: Tensor
) -> Tensor:
    """Noise latents, predict the velocity and compare."""
    noise = torch.randn_like(latents)
    # One timestep from each of BATCH equal parts of the schedule: the loss varies less.
    parts = torch.arange(BATCH) + torch.rand(BATCH)
    timesteps = (parts * 1000 / BATCH).long()[torch.randperm(BATCH)]
    noised = scheduler.add_noise(latents, noise, timesteps)
    wanted = scheduler.get_velocity(latents, noise, timesteps)
    with arithmetic():
        text = model["text_encoder"](tokens).last_hidden_state
        predicted = model["unet"](noised, timesteps, encoder_hidden_states=text).sample
    return functional.mse_loss(predicted.float(), wanted)


def build_model(tokenizer: CLIPTokenizer, *, from_base: bool) -> nn.ModuleDict:
    """Return UNet and text encoder, untrained or with the weights that are shipped."""
    unet, text_encoder = build_unet(), build_text_encoder(tokenizer)
    if from_base:
        base = SAMPLE_DATA / "base"
        unet = UNet2DConditionModel.from_pretrained(str(base / "unet"))
        text_encoder = CLIPTextModel.from_pretrained(str(base / "text_encoder"))
    unet.set_attn_processor(AttnProcessor())
    text_encoder.set_attn_implementation("eager")
    return nn.ModuleDict({"unet": unet, "text_encoder": text_encoder})


def share_gradients(model: nn.Module) -> None:
    """Give all processes the mean of their gradients."""
    weights = [weight for weight in model.parameters() if weight.grad is not None]
    flat = torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    sizes = [weight.numel() for weight in weights]
    for weight, part in zip(weights, torch.split(flat, sizes), strict=True):
        weight.grad = part.view_as(weight).clone()


def train(rank: int, options: argparse.Namespace) -> None:
    """Train as process ``rank`` of ``options.processes``; process 0 keeps the checkpoint."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(3)
    tokenizer = tokenizers.build()
    model = build_model(tokenizer, from_base=options.from_base)
    run = Run("unet", model, total=options.steps, peak=1.5e-3)
    if options.processes > 1:
        address = "tcp://127.0.0.1:29613"
        distributed.init_process_group(
            "gloo", init_method=address, rank=rank, world_size=options.processes
        )
        run.leads = rank == 0
        run.after_backward = lambda: share_gradients(model)
    examples, scheduler = Examples(tokenizer), build_scheduler()
    while run.step < run.total:
        torch.manual_seed(run.step * options.processes + rank)
        # One shape for all, so that all take equally long.
        shape = random.Random(f"shape {run.step}")
        latents, tokens = examples.batch(shape, random.Random(f"unet {run.step} {rank}"))
        run.update(loss_of(model, scheduler, latents, tokens))
    run.save()


def main() -> None:
    """Train until the wanted step and leave the result in the checkpoint."""
    options = arguments("Train the UNet and the text encoder.", steps=5000, team=True)
    if options.processes == 1:
        train(0, options)
    else:
        spawn(train, (options,), nprocs=options.processes)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
