"""LoRA training and sampling.

Knows ``prep``, never ``tui``. The modules that only describe work (``config``, ``command``,
``start``, ``prompts``, ``data``, ``captions``, ``names``, ``lorafile``, ``metadata``, ``cli``)
import no torch, so that planning a run and reading a LoRA need no training extra.
"""
