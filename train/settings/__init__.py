"""The groups of training settings, one file each. Nothing here imports torch."""
