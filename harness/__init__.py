"""tt-harness: compile a TileLang kernel for a Tenstorrent chip, simulate it, judge the answer."""
