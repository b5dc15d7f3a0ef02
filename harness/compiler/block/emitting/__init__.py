"""From a block program to device ops."""
