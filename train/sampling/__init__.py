"""Pictures drawn with a base model and LoRAs."""
