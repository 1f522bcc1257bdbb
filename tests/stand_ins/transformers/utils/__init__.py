"""Where transformers says how much it reports."""
