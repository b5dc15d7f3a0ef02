"""From a block program to reader, compute and writer: protocol, configuration, programs, plan."""
