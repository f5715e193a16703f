"""The small batched steps after a graph."""
