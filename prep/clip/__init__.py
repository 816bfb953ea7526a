"""CLIP's tokenizer, as the text encoders of SD 1.5 and SDXL have it: counts offline."""
