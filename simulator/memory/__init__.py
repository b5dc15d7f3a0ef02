"""Where tensors and circular buffers live: DRAM banks, L1, addresses, validity."""
