"""Kernels that faults are tried on."""
