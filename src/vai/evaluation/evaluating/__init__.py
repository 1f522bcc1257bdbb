"""`vai eval`: what each stage is worth, side by side, and where answers are lost."""
