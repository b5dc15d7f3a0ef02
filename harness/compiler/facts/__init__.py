"""What a kernel says, asked by the passes and changed by none."""
