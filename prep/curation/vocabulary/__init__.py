"""The tags that a base model knows: read from booru lists, completed, corrected, looked up.

``words`` packs tag lists into one table that loads in milliseconds,
``complete`` searches it at every keystroke, ``nearest`` finds the tag meant by a misspelling,
``findings`` and ``triggers`` report the problems of a dataset's tags.
"""
