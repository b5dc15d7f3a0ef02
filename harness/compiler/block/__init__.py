"""Block programs: what one block of the grid does, as operations on whole on-chip buffers.

``model`` is the vocabulary, ``read`` takes a kernel's TIR apart, ``normalise`` gives every buffer
one producer and one consumer thread, ``emit`` writes tile-level TIR.
"""
