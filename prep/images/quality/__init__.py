"""Quality measures of one image, taken on exactly the pixels that are trained on."""
