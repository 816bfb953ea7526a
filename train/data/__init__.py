"""What is trained on: the dataset file, its images, their captions and latents."""
