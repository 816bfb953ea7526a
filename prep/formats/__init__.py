"""Formats of other tools: one module per format, with its reader and writer.

Readers turn a source into a ``Collection`` and never change it; writers turn a ``TrainingSet`` into
files that should exist. Neither copies or writes anything itself: ``prep.ops`` does.
"""
