"""The machine: executes a plan and its programs on a NumPy model of a Tensix core grid."""
