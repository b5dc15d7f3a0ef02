"""What may be written in several ways, in the one way passes read: run by InferTTLayout."""
