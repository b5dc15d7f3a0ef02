"""Kernels by grammar: what statements are drawn, and the text they make."""
