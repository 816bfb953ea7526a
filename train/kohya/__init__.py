"""Settings of sd-scripts and of kohya_ss, translated into those of ``[train]``.

``source`` reads a file into arguments under sd-scripts' names, ``gui`` those of kohya_ss' form,
``arguments`` is the table of what becomes of each, and ``translation`` applies it.
"""
