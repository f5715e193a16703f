"""Poses over time: association, ids, smoothing.

Start reading at `tracker.py`. `similarity.py`, `assignment.py`, `association.py`, `motion.py` and
`smoothing.py` are pure; the only state is the tuple of tracks in a `Tracker`.
"""
