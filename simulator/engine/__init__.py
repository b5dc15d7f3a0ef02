"""The lock-step engine: groups of cores executing programs one step at a time."""
