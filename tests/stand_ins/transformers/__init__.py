"""As much of transformers as `vai.models.local.pytorch` uses."""
