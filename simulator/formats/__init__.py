"""Data formats of the machine: bytes, faces, host quantisers."""
