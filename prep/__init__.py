"""Dataset work: find, check, tag and caption images, plan and export training sets.

Knows neither the trainer nor the terminal application, and never imports torch or Textual.
"""

__version__ = "0.1.0"
