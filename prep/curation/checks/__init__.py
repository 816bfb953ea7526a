"""The rules of the pre-flight check: what trainers stumble over, and what can be mended safely.

One module for each group of rules. Each has ``CODES`` (what it can find, see ``codes``) and
``find(view)``, which yields problems and writes nothing; those with safe mends have
``changes(view, wanted)`` too. ``catalogue`` puts them together.
"""
