"""What runs inside an interpreter that has ttnn: NumPy, ttnn and the standard library, no more.

The parent starts it with :mod:`harness.backends.channel`; the package is also importable there as
``ttnn_worker``, so its modules import each other relatively.
"""
