"""How good rankings are, how sure that is, and what they take."""
