"""The rules of the pre-flight check: problems for trainers, and safe fixes.

One module per group of rules. Each has ``CODES`` (what it can find, see ``codes``) and
``find(view)``, which yields problems and writes nothing; those with safe fixes also have
``changes(view, wanted)``. ``catalogue`` combines them.
"""
