"""Part of vai."""
