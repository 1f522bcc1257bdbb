"""As much of transformers as `vai.models.pytorch` uses."""
