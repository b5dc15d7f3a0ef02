"""The arithmetic of the device: unpackers, matrix unit, vector unit and packer."""
