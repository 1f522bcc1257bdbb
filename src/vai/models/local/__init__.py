"""Models that run here: ONNX networks in the package or in a folder, and PyTorch ones."""
