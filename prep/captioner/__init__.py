"""Descriptions in sentences, by a vision model behind an OpenAI-compatible endpoint."""
