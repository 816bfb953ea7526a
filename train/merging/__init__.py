"""Files made of others: LoRAs merged, resized, merged into models, and extracted from them."""
