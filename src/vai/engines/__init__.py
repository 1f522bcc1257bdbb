"""Where collections live: `embedded` (a folder, the default) and `exact` (memory; the oracle others are judged by)."""
