"""Trains the small SDXL of the demo world, on latents kept by `frames`.

Run `python -m sample_data.make.sdxl`. Everything is built as in SDXL, only narrow: no attention at
the full resolution, linear projections, two text encoders read before their last layer and joined,
the pooled states of the second one and the six numbers of a picture's frame as further inputs. The
schedule is that of `unet`. It begins with the weights of the SD 1.5 demo base (`inheritance`): that
knows the same words and latents.
"""

import random

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from sample_data.make import tokenizer as tokenizers
from sample_data.make.captions import caption
from sample_data.make.frames import SHAPES, path_of
from sample_data.make.inheritance import inherit
from sample_data.make.latents import scenes
from sample_data.make.training import SAMPLE_DATA, Run, arguments, arithmetic
from sample_data.make.unet import build_scheduler

WIDTHS = (64, 48)
"""Of the text encoders."""
POOLED = 48
ID_WIDTH = 16
"""Of the embedding of each of the six numbers."""
PAD = "!"
"""What fills up the second encoder's window; the first token, as in SDXL."""
UNREAD = (0.35, 0.25)
"""Shares of the pictures that do without the states of the first and of the second encoder, so that
both are learnt, and the pooled states too: a small model would else read one of the three."""
BATCH = 16
STEPS = 1900


def build_unet() -> UNet2DConditionModel:
    """Return the untrained UNet: SDXL's block types and module names, two levels."""
    return UNet2DConditionModel(
        sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 96),
        layers_per_block=1,
        transformer_layers_per_block=[1, 1],
        cross_attention_dim=sum(WIDTHS),
        attention_head_dim=[2, 4],  # the numbers of heads, as in SDXL's own configuration
        norm_num_groups=16,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=ID_WIDTH,
        projection_class_embeddings_input_dim=POOLED + 6 * ID_WIDTH,
    )


def build_tokenizers() -> tuple[CLIPTokenizer, CLIPTokenizer]:
    """Return both tokenizers: the same words, and SDXL's two ways to fill up a window."""
    second = tokenizers.build()
    second.pad_token = PAD
    return tokenizers.build(), second


def build_text_encoders(
    tokenizer: CLIPTokenizer,
) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    """Return the text encoders; the first one with the words of the SD 1.5 demo base."""
    first = CLIPTextModel(_text_config(tokenizer, WIDTHS[0], layers=3, hidden_act="quick_gelu"))
    known = CLIPTextModel.from_pretrained(str(SAMPLE_DATA / "base" / "text_encoder"))
    first.load_state_dict(known.state_dict(), strict=False)  # its last layer is read by nobody
    config = _text_config(tokenizer, WIDTHS[1], layers=3, projection_dim=POOLED, hidden_act="gelu")
    return first, CLIPTextModelWithProjection(config)


def _text_config(
    tokenizer: CLIPTokenizer, width: int, *, layers: int, **more: object
) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=tokenizers.MAX_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **more,
    )


def build_model(tokenizer: CLIPTokenizer) -> nn.ModuleDict:
    """Return UNet and text encoders, as they are before training."""
    unet, (first, second) = build_unet(), build_text_encoders(tokenizer)
    inherit(unet, UNet2DConditionModel.from_pretrained(str(SAMPLE_DATA / "base" / "unet")))
    unet.set_attn_processor(AttnProcessor())  # as in `unet`
    for encoder in (first, second):
        encoder.set_attn_implementation("eager")
    return nn.ModuleDict({"unet": unet, "text_encoder": first, "text_encoder_2": second})


class Examples:
    """All latents with their frames and the scenes they show."""

    def __init__(self, both: tuple[CLIPTokenizer, CLIPTokenizer]) -> None:
        """Load what `frames` wrote."""
        self.tokenizers = both
        self.kept = {size: torch.load(path_of(size), weights_only=True) for size in SHAPES}
        self.scenes = {size: scenes(size, count) for size, count in SHAPES.items()}

    def batch(self, rng: random.Random) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return latents of one shape, their numbers, and the tokens of fresh captions.

        The tokens are (pictures + 1, window) for each encoder; the last row is of no words.
        """
        size = rng.choices(list(SHAPES), weights=list(SHAPES.values()))[0]
        chosen = rng.choices(range(SHAPES[size]), k=BATCH)
        texts = [caption(self.scenes[size][k], rng) for k in chosen]
        kept = self.kept[size]
        latents = kept["latents"][chosen].float().contiguous()
        return latents, kept["time_ids"][chosen], [self.tokens(t, texts) for t in self.tokenizers]

    def tokens(self, tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
        """Return the tokens of captions and of an empty one."""
        found: Tensor = tokenizer(
            [*texts, ""],
            padding="max_length",
            truncation=True,
            max_length=tokenizers.MAX_LENGTH,
            return_tensors="pt",
        ).input_ids
        return found


def encoded(model: nn.ModuleDict, tokens: list[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Return each encoder's states of token windows and the pooled ones, as SDXL reads them."""
    first = model["text_encoder"](tokens[0], output_hidden_states=True)
    second = model["text_encoder_2"](tokens[1], output_hidden_states=True)
    return [first.hidden_states[-2], second.hidden_states[-2]], second.text_embeds


def context_of(states: list[Tensor]) -> Tensor:
    """Join the states of both encoders; here and there, those of no words stand for one's own."""
    parts = []
    for share, part in zip(UNREAD, states, strict=True):
        unread = (torch.rand(BATCH) < share).view(-1, 1, 1)
        parts.append(torch.where(unread, part[-1:], part[:-1]))
    return torch.cat(parts, dim=-1)


def loss_of(
    model: nn.ModuleDict,
    scheduler: DDIMScheduler,
    latents: Tensor,
    time_ids: Tensor,
    tokens: list[Tensor],
) -> Tensor:
    """Noise latents, predict the velocity and compare."""
    noise = torch.randn_like(latents)
    # One timestep from each of BATCH equal parts of the schedule: the loss varies less.
    parts = torch.arange(BATCH) + torch.rand(BATCH)
    timesteps = (parts * 1000 / BATCH).long()[torch.randperm(BATCH)]
    noised = scheduler.add_noise(latents, noise, timesteps)
    wanted = scheduler.get_velocity(latents, noise, timesteps)
    with arithmetic():
        states, pooled = encoded(model, tokens)
        context = context_of(states)
        added = {"text_embeds": pooled[:-1], "time_ids": time_ids}
        predicted = model["unet"](noised, timesteps, context, added_cond_kwargs=added).sample
    return functional.mse_loss(predicted.float(), wanted)


def main() -> None:
    """Train until the wanted step and leave the result in the checkpoint."""
    options = arguments("Train the SDXL demo base.", steps=STEPS)
    torch.manual_seed(4)
    both = build_tokenizers()
    model = build_model(both[0])
    run = Run("sdxl", model, total=options.steps, peak=1.5e-3)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    examples, scheduler = Examples(both), build_scheduler()
    while run.step < run.total:
        torch.manual_seed(run.step)
        run.update(loss_of(model, scheduler, *examples.batch(random.Random(f"sdxl {run.step}"))))
    run.save()


if __name__ == "__main__":
    main()
