"""Packaged TileLang kernels, each with a NumPy reference."""
