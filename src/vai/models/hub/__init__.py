"""Models on the Hugging Face hub: fetched once, pinned, and then found without asking anyone."""
