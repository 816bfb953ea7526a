"""LoRA files: names of keys, metadata, the file itself."""
