"""A block program made schedulable: what it needs is written, ordered, exact and fits."""
