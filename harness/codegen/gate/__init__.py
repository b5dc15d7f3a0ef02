"""The kernel gate: syntax and API of every emitted kernel, checked with the system's g++ against
the headers of the ttnn wheel. Nothing of ttnn is imported or executed.
"""
