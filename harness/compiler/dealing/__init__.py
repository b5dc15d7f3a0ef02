"""Which core does which block."""
