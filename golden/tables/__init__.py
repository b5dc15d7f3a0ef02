"""Tensors that place and decide: which values they may hold, so that drawn ones fit."""
