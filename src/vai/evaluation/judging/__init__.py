"""`vai judge`: a quiz of the passages that tell configurations apart."""
