"""Formats of other tools: one module for each, with what it reads and what it writes.

Readers turn a place into a ``Collection`` and never touch it; writers turn a ``TrainingSet`` into
files that should exist. Neither copies or writes anything itself: ``prep.ops`` does.
"""
