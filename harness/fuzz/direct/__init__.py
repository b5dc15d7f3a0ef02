"""Plans and programs made without the compiler, whole and damaged."""
