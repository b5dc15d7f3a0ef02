"""What a kernel's answer must be, and how far off it may be."""
