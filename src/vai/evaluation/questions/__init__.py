"""`vai testset`: questions from a collection's own text."""
