"""Poses over time: association, ids, smoothing."""
