"""The parts of the benchmarks: corpora, timing, metrics, reports. `speed.py` and `quality.py` are the recipes."""
