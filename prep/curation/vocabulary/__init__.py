"""The tags a base model knows: read from booru lists, completed, corrected, looked up.

``read`` takes the files, ``words`` packs them into one table that loads in milliseconds,
``complete`` searches it at every keystroke, ``nearest`` finds what a misspelt tag was meant to be,
``findings`` and ``triggers`` say what is wrong with the tags of a dataset.
"""
