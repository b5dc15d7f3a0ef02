"""Blocks and steps smaller than a tile, joined to whole tiles: run by TTTilesToCoreMap."""
