"""What is added to a base model to be trained."""
