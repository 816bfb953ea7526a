"""What becomes of ``network_args``: those of ``networks.lora`` and of LyCORIS."""

from collections.abc import Mapping

from train.kohya.arguments import Differs, Harmless, Refused, Rule, Together

_BLOCKS = Refused("differs by block: set block_ranks in [train] instead", off=("",))
_NO_ALPHA = Refused("has no counterpart: alpha follows block_ranks in proportion", off=("",))

NETWORK_ARGUMENTS: Mapping[str, Rule] = {
    **dict.fromkeys(("algo", "preset"), Together()),
    **dict.fromkeys(("conv_dim", "factor"), Together("whole")),
    **dict.fromkeys(
        ("conv_alpha", "rank_dropout", "module_dropout", "dropout"), Together("number")
    ),
    **dict.fromkeys(("dora_wd", "wd_on_output", "rs_lora"), Together("switch")),
    **dict.fromkeys(("use_tucker", "use_cp", "use_conv_cp", "disable_conv_cp"), Together("switch")),
    **dict.fromkeys(("decompose_both", "full_matrix", "train_norm"), Together("switch")),
    "loraplus_lr_ratio": Together("number"),
    "loraplus_unet_lr_ratio": Together("number"),
    "loraplus_text_encoder_lr_ratio": Together("number"),
    **dict.fromkeys(("down_lr_weight", "mid_lr_weight", "up_lr_weight"), Together()),
    "block_lr_zero_threshold": Together("number"),
    **dict.fromkeys(("block_dims", "conv_block_dims"), _BLOCKS),
    **dict.fromkeys(("block_alphas", "conv_block_alphas"), _NO_ALPHA),
    "use_scalar": Differs("a trained factor for each module, which is not trained here"),
    "rank_dropout_scale": Differs("what stays after rank_dropout is not scaled up here"),
    "unbalanced_factorization": Differs("the two factors are always split evenly"),
    "bypass_mode": Harmless("about how it is computed only"),
    "rescaled": Harmless("acts with OFT only"),
    **dict.fromkeys(("constrain", "constraint"), Harmless("acts with OFT only")),
    **dict.fromkeys(("unit", "block_size"), Harmless("acts with DyLoRA and OFT only")),
    "train_on_input": Harmless("acts with (IA)3 only"),
    "verbose": Harmless("about logs only"),
}
