"""Property-based testing of the whole way: kernels, plans, campaigns, cases, replay.

Nothing here is imported by :mod:`harness` itself; Hypothesis loads only where kernels are drawn.
"""
