"""`vai calibrate`: what a reranker's scores mean."""
