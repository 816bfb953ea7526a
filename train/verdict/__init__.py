"""What samples say about a LoRA."""
