"""The training process: everything between a configuration and a saved LoRA."""
