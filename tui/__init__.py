"""The terminal application and the front door of the command line.

Knows ``prep`` and the torch-free part of ``train``; heavy work runs in jobs, which this package
starts and follows. Nothing here imports torch, diffusers or onnxruntime.
"""
