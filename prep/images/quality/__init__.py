"""What may be wrong with one picture, measured on the very pixels that are trained."""
