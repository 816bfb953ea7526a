"""Descriptions in sentences from a vision model with an OpenAI-compatible API."""
