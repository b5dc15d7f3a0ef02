"""TileLang sources as they stand: stand-ins for the modules they import, and their kernels.

``serving()`` makes ``import tilelang`` work while a user's file runs; :func:`as_factory` and
:func:`as_prim_func` turn what the file defines (``@tilelang.jit`` functions, compiled
kernels, kernels with open sizes) into a PrimFunc the pipeline takes.
"""

from __future__ import annotations

from harness.frontend.modules import serving
from harness.frontend.resolve import as_factory, as_prim_func, open_symbols

__all__ = ["as_factory", "as_prim_func", "open_symbols", "serving"]
