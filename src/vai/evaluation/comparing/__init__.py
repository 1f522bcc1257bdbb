"""`vai diff`: what changes from one ranking to another."""
