"""The five passes, in the order the pipeline runs them."""
